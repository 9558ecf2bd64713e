package engine

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// The server of the store that has the indexes fails over, the one that has the room
// does not: where the user is, is known again soon, and when the node dies later its
// member is found.
func TestALostIndexIsWrittenAgain(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		rewind := mem.SaveParts()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		w.connect(w.nodes[0], "c").join("alone", "cat", "")
		b.heard()
		rewind(func(part string) bool { return part == "index" })
		for _, link := range l {
			link.InterruptSome(true, func(room string) bool { return room == "" })
		}
		w.rest(3 * time.Second)
		for _, user := range []string{"ann", "cat"} {
			if at, err := w.nodes[1].RoomsOf(t.Context(), user); err != nil || len(at) != 1 {
				t.Errorf("%s is in %v, %v", user, at, err)
			}
		}
		w.crash(w.nodes[0])
		w.nodes = w.nodes[1:]
		w.rest(20 * time.Second)
		want(t, "b", b.heard(), "leave ann@r node_lost")
		if left := w.stored("alone"); len(left) > 0 {
			t.Errorf("a ghost where nobody looks: %v", left)
		}
	})
}

// A member loses its connection, the store its last patch, and nobody knows of that
// when its client resumes it elsewhere: the patch was acknowledged, so it stands.
func TestAResumeKeepsThePatchThatTheStoreLost(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		b := w.connect(e, "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		joined := a.join("r", "ann", `,"state":{"n":1},"graceMs":30000`)
		rewind := mem.SaveParts()
		if ack := a.patch(`{"n":2}`); !ack.Changed {
			t.Fatalf("patch: %+v", ack)
		}
		a.Drop()
		synctest.Wait()
		rewind(func(part string) bool { return part == "room:r" })
		// The room is read between the two writes of the resume, and heard of the second one late.
		st.slow("ConnJoin", 20*time.Millisecond, 0)
		st.slow("Load", 0, 50*time.Millisecond)
		events := 0
		l[0].SetPlan(storetest.Plan{Deliver: func(room string) (d storetest.Delivery) {
			if room == "r" {
				if events++; events > 2 { // of two nodes
					d.Delay = 100 * time.Millisecond
				}
			}
			return d
		}})
		c := w.connect(e, "c")
		ack := c.join("r", "ann", token(joined))
		if !ack.OK || !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		if i := slices.IndexFunc(ack.Snapshot, func(m wireMember) bool { return m.UserID == "ann" }); i < 0 || string(ack.Snapshot[i].State) != `{"n":2}` {
			t.Errorf("resumed with %+v", ack.Snapshot)
		}
		w.rest(10 * time.Second)
		if m := w.storedOf("r", "ann"); string(m.State) != `{"n":2}` {
			t.Errorf("the store has state %s", m.State)
		}
		w.agree("r")
	})
}

// The store loses a resume of a member and a join, and nobody knows of that when its client resumes
// it elsewhere: the resumed member is above the epochs that were shown.
func TestAResumeIsAboveTheEpochsThatTheStoreLost(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		joined := a.join("r", "ann", `,"graceMs":30000`)
		rewind := mem.SaveParts()
		a2 := w.connect(w.nodes[0], "a2")
		a2.join("r", "ann", token(joined))
		shown := a2.join("r", "ann", `,"graceMs":30000`).Self.Epoch
		a2.Drop()
		synctest.Wait()
		rewind(func(part string) bool { return part == "room:r" })
		ack := w.connect(w.nodes[1], "c").join("r", "ann", token(joined))
		if !ack.Resumed || ack.Self.Epoch <= shown {
			t.Errorf("resume: %+v; epoch %d was shown", ack, shown)
		}
		w.rest(10 * time.Second)
		w.agree("r")
	})
}

// A member leaves, the store forgets that, and before anybody notices its token is sent again: a
// life that has ended is not resumed.
func TestALifeThatEndedIsNotResumed(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		joined := a.join("r", "ann", `,"graceMs":30000`)
		rewind := mem.SaveParts()
		a.send("leave", `{}`).wait()
		rewind(func(part string) bool { return part == "room:r" })
		if ack := w.connect(w.nodes[0], "c").join("r", "ann", token(joined)); !ack.OK || ack.Resumed {
			t.Errorf("join: %+v", ack)
		}
	})
}

// The store loses everything, and before its owner has restored it a member is
// resumed on a node that never saw it: the resume waits for that.
func TestAResumeWaitsForARestore(t *testing.T) {
	for range 20 { // nodes find out at random times
		inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
			joined := w.connect(w.nodes[0], "a").join("r", "ann", `,"state":{"n":1},"graceMs":30000`)
			w.rest(10 * time.Second)
			mem.Wipe()
			c := w.connect(w.nodes[1], "c")
			ack := c.join("r", "ann", token(joined))
			for tries := 0; !ack.OK && tries < 5; tries++ {
				w.rest(core.RetryInterval) // it was told to try again in a moment
				ack = c.join("r", "ann", token(joined))
			}
			if !ack.OK || !ack.Resumed || ack.Self.ConnID != joined.Self.ConnID || len(ack.Snapshot) != 1 {
				t.Errorf("resume: %+v", ack)
			}
			w.rest(10 * time.Second)
			w.agree("r")
		})
		if t.Failed() {
			return
		}
	}
}

// Another node removes an older life of a member, which the store had back for a
// moment: its own node shows it no more than the others do, and yet has a socket that
// was never told to be out. In the end both say the same.
func TestAMemberThatItsNodeDoesNotShowIsAskedAbout(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
		w.steady()
		b, a := w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "a")
		b.join("r", "bob", "")
		a.join("r", "ann", "")
		rewind := mem.SaveParts()
		a.join("r", "ann", "")
		rewind(func(part string) bool { return part == "room:r" })
		if _, err := w.nodes[1].Kick(t.Context(), KickTarget{RoomID: "r", UserID: "ann"}); err != nil {
			t.Fatal(err)
		}
		w.rest(30 * time.Second)
		ack, stands := a.send("heartbeat", `{"roomId":"r"}`).wait(), false
		for _, m := range w.stored("r") {
			stands = stands || m.UserID == "ann"
		}
		if ack.OK != stands {
			t.Errorf("ann's heartbeat says %+v, the store has her: %t", ack, stands)
		}
		w.agree("r")
	})
}

// A node has died, and before its members are reaped the store loses one of them: nobody
// will restore that, so it leaves at once, not when its time for that is over.
func TestALostMemberOfADeadNodeIsNotShownOn(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		rewind := mem.SaveParts()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		b.heard()
		w.crash(w.nodes[0])
		if err := mem.MarkDead(t.Context(), w.nodes[0].Self()); err != nil {
			t.Fatal(err)
		}
		rewind(func(part string) bool { return part == "room:r" })
		l[1].Interrupt(true)
		w.rest(3 * time.Second)
		want(t, "b", b.heard(), "leave ann@r disconnect")
		w.nodes = w.nodes[1:]
		w.agree("r")
	})
}
