package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// What a member leaves behind is erased although the event of its own leave
// comes late.
func TestADrainErasesBeforeItsEventsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		st := storetest.NewFaulty(mem, storetest.Plan{})
		w := &world{t: t, store: st}
		e := w.addNode()
		w.connect(e, "c").join("r", "u", "")
		st.SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
			return storetest.Delivery{Delay: 5 * time.Millisecond}
		}})
		if err := e.drain(t.Context()); err != nil {
			t.Error(err)
		}
		if keys := mem.Keys(); len(keys) > 0 {
			t.Errorf("left behind: %q", keys)
		}
		e.close()
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
