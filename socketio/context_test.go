package socketio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A handler's context ends with its socket, however the handler uses it, and
// costs nothing where it does not.
func TestContextIsMadeWhenNeeded(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context) <-chan struct{}{
		"not at all": nil,
		"done":       func(ctx context.Context) <-chan struct{} { return ctx.Done() },
		"derived": func(ctx context.Context) <-chan struct{} {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			context.AfterFunc(ctx, cancel)
			return ctx.Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				var kept context.Context
				var done <-chan struct{}
				e.root.OnConnect(func(ctx context.Context, _ *Socket) { kept = ctx })
				e.root.On("use", func(ctx context.Context, _ *Socket, _ *Message) error {
					if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
						t.Errorf("a live socket's context: deadline %v, error %v", ok, ctx.Err())
					}
					if use != nil {
						done = use(ctx)
					}
					return nil
				})
				c := e.join("/")
				s := e.socket(c)
				c.send(`42["use"]`)
				synctest.Wait()
				if made := s.ctx != nil; made != (use != nil) {
					t.Errorf("made: %v", made)
				}
				c.send("41")
				synctest.Wait()
				if use != nil {
					<-done
				}
				if kept.Err() != context.Canceled || kept.Value("key") != nil {
					t.Errorf("after the end: %v, %v", kept.Err(), kept.Value("key"))
				}
			})
		})
	}
}
