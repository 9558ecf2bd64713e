package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// While a node hears nothing, as in a failover, a member that it keeps in grace is
// resumed elsewhere and leaves. The node takes it for lost and restores it: those who
// heard the leave do not show it, and remove it again.
func TestWhoLeftElsewhereIsNotRestored(t *testing.T) {
	for name, c := range map[string]struct {
		plan storetest.Plan // of the node that knows
		want string
	}{
		"hears it":      {storetest.Plan{}, ""},
		"hears nothing": {deaf(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, _ *memstore.Store, l links) {
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[2], "b")
				b.join("r", "bob", "")
				w.connect(w.nodes[1], "c").join("r", "cat", "")
				token := a.join("r", "ann", `,"graceMs":60000`).Self.Resume
				a.end(store.ReasonDisconnect, false)
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

// A member in grace that the store lost and that its node can't restore for long
// is gone to others, but not for good: nobody removed it.
func TestAMissingMemberIsNotToldToHaveLeft(t *testing.T) {
	room := []string{"Load", "LoadMembers", "Put", "Remove", "Positions"}
	for name, c := range map[string]struct {
		broken []string
		shown  string
	}{
		"the room can't be reached":  {room, "leave ann@r disconnect\njoin ann@r {} away"},
		"the nodes can't be reached": {[]string{"PublishNodes"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				b := w.connect(w.nodes[1], "b")
				b.join("r", "bob", "")
				rewind := mem.Save()
				a := w.connect(w.nodes[0], "a")
				token := a.join("r", "ann", `,"graceMs":120000`).Self.Resume
				a.end(store.ReasonDisconnect, false)
				w.rest(3 * time.Second) // until it is away
				b.heard()
				l[0].SetPlan(storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
					if slices.Contains(c.broken, q.Method) {
						f.Kind = storetest.FailBefore
					}
					return f
				}})
				l.failover(rewind)
				w.rest(13 * time.Second)
				l[0].SetPlan(storetest.Plan{})
				w.rest(8 * time.Second)
				want(t, "b", b.heard(), c.shown)
				again := w.connect(w.nodes[1], "again")
				if ack := again.join("r", "ann", `,"graceMs":120000,"resume":"`+token+`"`); !ack.Resumed {
					t.Error("the member is gone")
				}
			})
		})
	}
}

// A member of a node that was taken for dead is removed elsewhere, then restored
// by the node, which woke. A later grace of it is not that life that ended.
func TestTheGraceOfAWokenMemberIsItsOwn(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		token := a.join("r", "ann", `,"graceMs":6000`).Self.Resume
		w.rest(100 * time.Millisecond)
		l[0].SetPlan(deaf())
		l[0].Freeze()
		w.rest(25 * time.Second)
		if n := len(w.stored("r")); n != 1 {
			t.Fatalf("%d members stand, want bob: ann's node was taken for dead", n)
		}
		l[0].Thaw()
		w.rest(5 * time.Second)
		l[0].SetPlan(storetest.Plan{})
		a.end(store.ReasonDisconnect, false)
		w.rest(2500 * time.Millisecond)
		l[1].Interrupt(true) // it says its leaves again
		w.rest(1500 * time.Millisecond)
		again := w.connect(w.nodes[1], "again")
		if ack := again.join("r", "ann", `,"graceMs":6000,"resume":"`+token+`"`); !ack.Resumed {
			t.Error("the member is gone before its grace is over")
		}
	})
}
