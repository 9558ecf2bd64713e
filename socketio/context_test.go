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
	type register func(n *Namespace, f Handler)
	kinds := map[string]register{
		"On":       func(n *Namespace, f Handler) { n.On("use", f) },
		"OnInline": func(n *Namespace, f Handler) { n.OnInline("use", f) },
		"OnAny":    func(n *Namespace, f Handler) { n.OnAny(f) },
		"WrapAny": func(n *Namespace, f Handler) {
			n.WrapAny(func(ctx context.Context, s *Socket, m *Message, _ Handler) error { return f(ctx, s, m) })
		},
	}
	for name, use := range map[string]func(ctx context.Context) <-chan struct{}{
		"not at all": nil,
		"done":       func(ctx context.Context) <-chan struct{} { return ctx.Done() },
		"derived": func(ctx context.Context) <-chan struct{} {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			context.AfterFunc(ctx, cancel)
			return ctx.Done()
		},
	} {
		for kind, handle := range kinds {
			t.Run(kind+" "+name, func(t *testing.T) { contextEnds(t, handle, use) })
		}
	}
}

func contextEnds(t *testing.T, handle func(*Namespace, Handler), use func(ctx context.Context) <-chan struct{}) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var kept, given context.Context
		var done <-chan struct{}
		e.root.OnConnect(func(ctx context.Context, _ *Socket) { kept = ctx })
		handle(e.root, func(ctx context.Context, _ *Socket, _ *Message) error {
			given = ctx
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
			select {
			case <-done:
			default:
				t.Error("the channel of a context stays open")
			}
		}
		if kept.Err() != context.Canceled || kept.Value("key") != nil {
			t.Errorf("after the end: %v, %v", kept.Err(), kept.Value("key"))
		}
		if given.Err() != context.Canceled {
			t.Errorf("the handler's, after the end: %v", given.Err())
		}
	})
}
