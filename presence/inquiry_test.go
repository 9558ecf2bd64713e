package presence

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/store/storetest"
)

// While a node hears nothing, as in a failover, a member that it keeps in grace
// is resumed elsewhere and leaves. The store lost other writes maybe, but not
// that: who left does not come back, or, if nobody can tell its node, not for
// long.
func TestWhoLeftElsewhereIsNotRestored(t *testing.T) {
	for name, c := range map[string]struct {
		plan storetest.Plan // of the node that knows
		want string
	}{
		"asked":             {storetest.Plan{}, ""},
		"hears no question": {deafTo(""), "join ann@r {}\nleave ann@r leave"},
		"hears nothing":     {deaf(), "join ann@r {}\nupdate ann@r {} away\nleave ann@r leave"},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, _ *memstore.Store, l links) {
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[2], "b")
				b.join("r", "bob", "")
				w.connect(w.nodes[1], "c").join("r", "cat", "")
				token := a.join("r", "ann", `,"graceMs":60000`).Self.Resume
				a.end(ReasonDisconnect, false)
				w.rest(100 * time.Millisecond)
				l[0].SetPlan(deaf())
				again := w.connect(w.nodes[1], "again")
				again.join("r", "ann", `,"graceMs":60000,"resume":"`+token+`"`)
				again.send("leave", `{}`).wait()
				b.heard()
				l[0].SetPlan(storetest.Plan{})
				l[1].SetPlan(c.plan)
				l[2].SetPlan(deafTo(""))
				l[0].Interrupt(true)
				w.rest(3 * time.Second)
				l[1].SetPlan(storetest.Plan{})
				l[1].Interrupt(true)
				w.rest(3 * time.Second)
				if got := b.heard(); got != c.want {
					t.Errorf("b heard:\n%s", got)
				}
				if at := w.stored("r"); len(at) != 2 {
					t.Errorf("%+v stand, want bob and cat", at)
				}
				w.agree("r")
			})
		})
	}
}

// deafTo is deaf to one channel.
func deafTo(room string) storetest.Plan {
	return storetest.Plan{Deliver: func(at string) storetest.Delivery { return storetest.Delivery{Drop: at == room} }}
}
