package presence

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/store/storetest"
)

// A drain that its context cuts short leaves no goroutine behind once the
// engine is closed.
func TestADrainCutShortEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		w := &world{t: t, store: st}
		e := w.addNode()
		for i := range 200 {
			w.connect(e, fmt.Sprint(i)).join("r", "u", "")
		}
		st.SetPlan(storetest.Plan{Call: func(storetest.Call) storetest.Fault { return storetest.Fault{Kind: storetest.Hang} }})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := e.drain(ctx); err == nil {
			t.Error("drained, though the store hangs")
		}
		ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.closeWithin(ctx); err != nil {
			t.Error(err)
		}
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
