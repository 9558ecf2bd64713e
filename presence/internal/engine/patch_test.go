package engine

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// slowStarter is a store whose started puts end with their context only.
type slowStarter struct{ *memstore.Store }

func (s slowStarter) StartPut(ctx context.Context, _ *store.Put, w store.PutWaiter) {
	context.AfterFunc(ctx, func() {
		time.Sleep(50 * time.Millisecond) // it does not look all the time
		w.PutDone(store.PutResult{}, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err()))
	})
}

// The end of an engine waits for a patch that no goroutine waits for, and that
// has its answer.
func TestCloseWaitsForAStartedPatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		runWorld(t, mem, 0, func(w *world) {
			e := w.startOn(slowStarter{mem})
			a := w.connect(e, "a")
			a.join("r", "ann", "")
			p := a.send("heartbeat", `{"patchState":{"n":2}}`)
			e.close()
			select {
			case <-p.done:
			default:
				t.Fatal("the engine closed before the patch had its answer")
			}
			if p.ack.OK {
				t.Errorf("a patch that the store did not answer: %+v", p.ack)
			}
		})
	})
}
