package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// putFar writes a member of a node that is not part of the world.
func (w *world) putFar(mem *memstore.Store, put store.Put) {
	w.t.Helper()
	put.Room = "r"
	if res, err := store.PutAndWait(w.t.Context(), mem, put); err != nil || res.Outcome != store.Applied {
		w.t.Fatalf("put: %+v, %v", res, err)
	}
}

// A node hears by one channel alone that the store lost data: that of the room, or that
// of all nodes. The room stands no lower than before, so only the notice shows that a
// member of another node, which the store has not, was lost.
func TestALossThatOneChannelTellsOf(t *testing.T) {
	for name, channel := range map[string]string{"the room's": "r", "the nodes'": ""} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				b := w.connect(w.nodes[1], "b")
				b.join("r", "bob", "")
				lose := mem.SaveParts()
				w.connect(w.nodes[0], "a").join("r", "ann", "")
				b.heard()
				w.rest(time.Second)
				l[0].SetPlan(storetest.Plan{Call: hang("Put").Call, Deliver: deaf().Deliver}) // ann is not restored yet
				l[1].SetPlan(deaf())
				lose(onlyRoom("r"))
				for _, id := range []string{"dave", "dora"} {
					w.putFar(mem, store.Put{Intent: store.IntentJoin, Member: store.Member{ConnID: id, UserID: id, Owner: "far", Epoch: 1, Write: 1, State: []byte("{}")}})
				}
				l[1].SetPlan(storetest.Plan{})
				l[1].InterruptSome(true, func(room string) bool { return room == channel })
				r := w.nodes[1].Owned.Of("r")
				r.Mu.Lock()
				r.Resync()
				r.Mu.Unlock()
				w.rest(2 * time.Second)
				l[0].SetPlan(storetest.Plan{})
				l[0].Interrupt(true)
				w.rest(4 * time.Second)
				if got := b.heard(); strings.Contains(got, "leave") {
					t.Errorf("b heard:\n%s", got)
				}
				if n := len(w.stored("r")); n != 4 {
					t.Errorf("%d members stand, want ann, bob, dave and dora", n)
				}
				w.agree("r")
			})
		})
	}
}

// Before a room is read whose subscription was interrupted, nobody takes what it shows for
// all that there is.
func TestAnInterruptedRoomMayLackMembers(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		if _, ok := w.nodes[0].Owned.ShownOf("far", "r"); !ok {
			t.Error("not in line with the store after a join")
		}
		l[0].Interrupt(false)
		if _, ok := w.nodes[0].Owned.ShownOf("far", "r"); ok {
			t.Error("in line with the store right after an interruption")
		}
		w.rest(core.MaxJitter + time.Second)
		if _, ok := w.nodes[0].Owned.ShownOf("far", "r"); !ok {
			t.Error("not in line with the store after it was read")
		}
	})
}

// A member moves to another node. Its old socket is out when its node hears of that, also
// when the store does not answer.
func TestWhoWasTakenOverIsOutAtOnce(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(hang())
		if ack := w.connect(w.nodes[1], "again").join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		w.rest(100 * time.Millisecond)
		if a.isIn("r") {
			t.Error("the old socket is still in the room")
		}
		l[0].SetPlan(storetest.Plan{})
	})
}

// A kick removes the only member of a room, and the store forgets that. Whichever of the
// two nodes that know of it is left: the kick is repeated.
func TestAKickThatTheStoreForgotIsRepeated(t *testing.T) {
	for name, dies := range map[string]int{"by the owner": 1, "by the node that kicked": 0} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				w.connect(w.nodes[0], "a").join("r", "ann", "")
				lose := mem.SaveParts()
				if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
					t.Fatal(err)
				}
				w.rest(time.Second)
				w.crash(w.nodes[dies])
				lose(onlyRoom("r"))
				l[1-dies].Interrupt(true)
				w.rest(3 * time.Second)
				if left := w.stored("r"); len(left) > 0 {
					t.Errorf("back again: %+v", left)
				}
			})
		})
	}
}

// Others count a member's epochs on, and kick it, before its node has found out: who joins
// again is above all of them.
func TestAJoinIsAboveTheEpochOfAKick(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		w.takenOverFar(mem, a, 6)
		q := store.Remove{Room: "r", ConnID: "sock-a", Epoch: 6, Life: w.stored("r")[0].Life, Reason: store.ReasonKicked}
		if _, err := mem.Remove(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		w.rest(time.Second)
		if ack := a.join("r", "ann", ""); ack.Self.ConnID != "sock-a" || ack.Self.Epoch <= 6 {
			t.Errorf("join: %+v", ack)
		}
	})
}

// takenOverFar has a member taken over by a node that is not part of the world, while its
// socket is here, and keeps its node from finding out what became of it until the room is
// at rest again.
func (w *world) takenOverFar(mem *memstore.Store, c *client, epoch int64) {
	w.t.Helper()
	m := c.ownedIn("r")
	if !m.Room.Handoffs.TryLock(m.ConnID) {
		w.t.Fatal("the member is being moved")
	}
	time.AfterFunc(100*time.Millisecond, func() { m.Room.Handoffs.Unlock(m.ConnID) })
	found, err := mem.LoadMembers(w.t.Context(), "r", []string{m.ConnID})
	if err != nil || len(found.Members) != 1 {
		w.t.Fatalf("load: %+v, %v", found, err)
	}
	over := found.Members[0]
	fence := over.Epoch
	over.Owner, over.Epoch, over.Away, over.UntilMs = "far", epoch, true, time.Now().Add(time.Minute).UnixMilli()
	w.putFar(mem, store.Put{Intent: store.IntentResume, Member: over, Fence: fence, KeepState: true})
}

// A room is doubted while it is being read, and what is asked for may be newer than that:
// it is read once more at once, not when it has been quiet for long.
func TestARoomThatIsDoubtedDuringALoad(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a := w.connect(e, "a")
		a.join("r", "ann", "")
		a.heard()
		st.slow("Load", 0, 300*time.Millisecond)
		resync := func() {
			r := e.Owned.Of("r")
			r.Mu.Lock()
			defer r.Mu.Unlock()
			r.Resync()
		}
		resync()
		w.rest(100 * time.Millisecond)
		l[0].SetPlan(deaf())
		b.patch(`{"n":1}`)
		resync()
		w.rest(time.Second)
		want(t, "a", a.heard(), `update bob@r {"n":1}`)
	})
}

// A join changes nothing that others see, and its event is lost: the load that takes the
// event's place answers it.
func TestAJoinWithoutChangesWhoseEventIsLost(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"state":{"n":1}`)
		l[0].SetPlan(deaf())
		if ack := a.join("r", "ann", `,"state":{"n":1}`); !ack.OK || ack.Self.Epoch != 2 {
			t.Errorf("join: %+v", ack)
		}
	})
}

// A member leaves while the store does not have it, since it lost it: who sees the room on
// the same node sees it leave at once, not when the room's rebuilding ends.
func TestALeaveOfAMissingMemberIsShown(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		lose := mem.SaveParts()
		a.join("r", "ann", "")
		b.heard()
		l[0].SetPlan(hang("Put"))
		lose(onlyRoom("r"))
		l[0].Interrupt(true)
		w.rest(core.MaxJitter + 100*time.Millisecond) // the room was read
		a.send("leave", `{}`).wait()
		w.rest(testSettings.StoreTimeout + 2*time.Second)
		want(t, "b", b.heard(), "leave ann@r leave")
	})
}
