package engine

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// resumedUnheard has a member of node 0 resumed on node 1, which node 0 does not hear since it stands
// still. Then node 1 stands still, too, and node 2 takes the member over, without a socket.
func (w *world) resumedUnheard(l links, grace string) (first, second *client) {
	w.t.Helper()
	w.steady()
	w.connect(w.nodes[2], "b").join("r", "bob", "")
	first, second = w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "a2")
	ack := first.join("r", "ann", `,"graceMs":`+grace)
	l[0].Freeze()
	l[0].SetPlan(deaf())
	if again := second.join("r", "ann", token(ack)); !again.Resumed {
		w.t.Fatalf("resume: %+v", again)
	}
	l[0].SetPlan(storetest.Plan{})
	w.rest(6 * time.Second) // node 0 is dead, and has no members any more
	l[1].Freeze()
	w.rest(6 * time.Second)
	return first, second
}

// keepsIt checks that the member is that of the client who resumed it last.
func (w *world) keepsIt(first, second *client) {
	w.t.Helper()
	if ack := second.patch(`{"n":1}`); !ack.Changed {
		w.t.Errorf("patch of who resumed it: %+v", ack)
	}
	if ack := first.patch(`{"n":2}`); ack.Code != wire.CodeNotJoined {
		w.t.Errorf("patch of who had it before: %+v", ack)
	}
	if n := len(w.stored("r")); n != 2 {
		w.t.Errorf("%d members stand", n)
	}
	w.agree("r")
}

// A claimant has a member without a socket. The socket that had it before somebody resumed it
// elsewhere is up, and its node did not hear of the resume: it does not take the member back, and
// the node of who resumed it does.
func TestATakeoverBehindAResumeIsNotTakenBack(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, _ *memstore.Store, l links) {
		first, second := w.resumedUnheard(l, "60000")
		l[0].Thaw()
		w.rest(4 * time.Second)
		l[1].Thaw()
		w.rest(10 * time.Second)
		w.keepsIt(first, second)
	})
}

// The socket that had it before ends: the member stays for who resumed it.
func TestALeaveOfBeforeAResumeRemovesNothing(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, _ *memstore.Store, l links) {
		first, second := w.resumedUnheard(l, "60000")
		plan := deaf()
		plan.Call = failing("Load").Call
		l[0].SetPlan(plan)
		l[0].Thaw()
		first.send("leave", `{}`)
		w.rest(4 * time.Second)
		l[0].SetPlan(storetest.Plan{})
		l[1].Thaw()
		w.rest(10 * time.Second)
		w.keepsIt(first, second)
	})
}

// The claimant's grace is over when the nodes wake: who resumed the member joins again, in a new
// life, and who had it before does not.
func TestAGraceBehindAResumeEndsForWhoHadItBefore(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, _ *memstore.Store, l links) {
		first, second := w.resumedUnheard(l, "5000")
		w.rest(5 * time.Second)
		l[0].Thaw()
		w.rest(4 * time.Second)
		l[1].Thaw()
		w.rest(10 * time.Second)
		w.keepsIt(first, second)
		second.end(store.ReasonDisconnect, true)
	})
}

// A resume is refused after it took effect, and its node has not seen it when the next one comes
// to the same node: that one is no repeat of the first.
func TestAResumeAheadOfTheEventOfTheOneBefore(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		joined := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
		plan := hang("Load")
		plan.Deliver = deaf().Deliver
		l[1].SetPlan(plan)
		if ack := w.connect(w.nodes[1], "a2").join("r", "ann", token(joined)); ack.Code != wire.CodeUnavailable {
			t.Errorf("first resume: %+v", ack)
		}
		before := w.annsEpoch()
		l[1].SetPlan(storetest.Plan{})
		ack := w.connect(w.nodes[1], "a3").join("r", "ann", token(joined)+`,"state":{"n":1}`)
		if !ack.Resumed || ack.Self.Epoch <= before {
			t.Errorf("second resume: %+v; epoch %d stood", ack, before)
		}
		w.rest(10 * time.Second)
		w.agree("r")
	})
}

func (w *world) annsEpoch() int64 {
	w.t.Helper()
	for _, m := range w.stored("r") {
		if m.UserID == "ann" {
			return m.Epoch
		}
	}
	w.t.Error("ann is not there")
	return 0
}
