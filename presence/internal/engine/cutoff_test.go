package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A member that came back on another node, and left there, while its first node
// was cut off from the store does not come back when that node does.
func TestAMemberThatLeftElsewhereDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New(memstore.Options{})
		cut := storetest.NewFaulty(shared, storetest.Plan{})
		runWorld(t, shared, 2, func(w *world) {
			w.store = cut
			e := w.addNode()
			w.store = shared
			w.steady()
			b := w.connect(w.nodes[1], "b")
			b.join("r", "bob", "")
			first := w.connect(e, "a").join("r", "ann", `,"graceMs":60000`)
			b.heard()
			plan := hang()
			plan.Call = func(storetest.Call) storetest.Fault { return storetest.Fault{Kind: storetest.Hang} }
			plan.Deliver = func(string) storetest.Delivery { return storetest.Delivery{Drop: true} }
			cut.SetPlan(plan)
			w.rest(2 * time.Second)
			a2 := w.connect(w.nodes[1], "a2")
			if ack := a2.join("r", "ann", token(first)+`,"graceMs":60000`); !ack.Resumed {
				t.Fatalf("%+v", ack)
			}
			a2.send("leave", `{}`).wait()
			want(t, "she left", b.heard(), "leave ann@r leave")
			w.rest(8 * time.Second)
			cut.SetPlan(storetest.Plan{})
			cut.Interrupt(false)
			w.rest(8 * time.Second)
			want(t, "nobody is back", b.heard(), "")
			if n := len(w.stored("r")); n != 1 {
				t.Errorf("%d members stand, want bob alone", n)
			}
		})
	})
}
