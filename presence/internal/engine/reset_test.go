package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

func (w *world) wipe() { w.store.(interface{ Wipe() }).Wipe() }

// The store loses everything: owners bring their members back, and clients
// notice nothing, not even that their epoch is older now.
func TestLostDataIsRestored(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"state":{"n":1}`)
		g := w.connect(w.nodes[1], "g")
		token := token(g.join("r", "gil", `,"graceMs":60000`))
		b.join("r", "bob", "")
		a.patch(`{"n":2}`)
		g.end(store.ReasonDisconnect, false)
		w.rest(3 * time.Second)
		a.heard()
		b.heard()
		w.wipe()
		w.rest(5 * time.Second)
		want(t, "a", a.heard(), "")
		want(t, "b", b.heard(), "")
		w.agree("r")
		if n := len(w.stored("r")); n != 3 {
			t.Errorf("%d members are back", n)
		}
		if ack := a.send("heartbeat", `{"epoch":1,"patchState":{"n":3}}`).wait(); !ack.Changed || ack.Stale || first.Self.Epoch != 1 {
			t.Errorf("a patch with the epoch of the join: %+v", ack)
		}
		want(t, "b", b.heard(), `update ann@r {"n":3}`)
		g2 := w.connect(w.nodes[0], "g2")
		if ack := g2.join("r", "gil", token); !ack.Resumed {
			t.Errorf("resume of a member in grace: %+v", ack)
		}
		w.rest(30 * time.Second)
		w.agree("r")
	})
}

// A patch that meets the loss before the node noticed it is not lost.
func TestAPatchIntoAnEmptyStoreCounts(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		b.heard()
		w.wipe()
		if ack := a.patch(`{"n":1}`); !ack.Changed {
			t.Errorf("patch: %+v", ack)
		}
		w.rest(time.Second) // or the patch and the join may reach b folded into one
		if ack := a.join("r", "ann", `,"state":{"n":2}`); !ack.OK || ack.Self.Epoch < 2 {
			t.Errorf("rejoin: %+v", ack)
		}
		w.rest(20 * time.Second)
		want(t, "b", b.heard(), "update ann@r {\"n\":1}\njoin ann@r {\"n\":2}")
		w.agree("r")
	})
}

// The store goes back by some events of a room. The answer to a patch after that says the
// seq of its event, as clients see it.
func TestAPatchAfterALossSaysTheSeqOfItsEvent(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		rewind := mem.Save()
		for i := range 5 {
			a.patch(fmt.Sprintf(`{"n":%d}`, i))
		}
		w.rest(time.Second)
		l.failover(rewind)
		w.rest(5 * time.Second)
		for i := range 3 {
			ack := a.patch(fmt.Sprintf(`{"m":%d}`, i))
			w.rest(time.Second)
			if seen := a.lastOf(a.ID()).Seq; seen != ack.Seq {
				t.Errorf("answer %d, event %d", ack.Seq, seen)
			}
		}
	})
}

// Members whose owner is gone when the store loses them are gone, in time.
func TestLostMembersWithoutAnOwnerAreGone(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		b.heard()
		w.crash(w.nodes[0])
		w.wipe()
		w.rest(25 * time.Second)
		want(t, "b", b.heard(), "leave ann@r disconnect")
		w.agree("r")
	})
}

// A node that slept through its own death takes a new id and brings its members
// back; what others saw leave joins again, once.
func TestAFrozenNodeRestoresItsMembers(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", `,"state":{"n":1}`)
		b.join("r", "bob", "")
		a.heard()
		b.heard()
		old := w.nodes[0].Self()
		if err := w.store.MarkDead(context.Background(), old); err != nil {
			t.Fatal(err)
		}
		w.rest(6 * time.Second)
		if w.nodes[0].Self() == old {
			t.Error("the node kept the id that was declared dead")
		}
		if got := b.heard(); got != "leave ann@r node_lost\njoin ann@r {\"n\":1}" && got != "" {
			t.Errorf("b heard:\n%s", got)
		}
		if ack := a.send("heartbeat", `{"epoch":1,"patchState":{"n":2}}`).wait(); !ack.Changed {
			t.Errorf("a patch with the epoch of the join: %+v", ack)
		}
		w.rest(30 * time.Second)
		w.agree("r")
	})
}
