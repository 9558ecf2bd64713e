package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// ownedIn is the member of a client in a room, by its node.
func (c *client) ownedIn(room string) *owned.Member {
	r := c.node.Owned.Of(room)
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return r.Owned[c.ID()]
}

// checkNow has it found out at once what became of the member. Its executor is idle.
func checkNow(t *testing.T, m *owned.Member) (stands bool, err error) {
	t.Helper()
	m.Room.Mu.Lock()
	l := m.Writer()
	m.Room.Mu.Unlock()
	return m.Check(t.Context(), l)
}

// closedSession is that of a socket that has just closed.
type closedSession struct{ owned.Session }

func (closedSession) Closed() bool { return true }

// failOnce has the first call of a method lose its answer.
func failOnce(method string) (storetest.Plan, *atomic.Bool) {
	failed := new(atomic.Bool)
	return storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
		if q.Method == method && !failed.Swap(true) {
			f.Kind = storetest.FailAfter
		}
		return f
	}}, failed
}

// onlyRoom says which part of the store goes back.
func onlyRoom(room string) func(part string) bool {
	return func(part string) bool { return part == "room:"+room }
}

// A write of which the node had no answer stands in the store. The owner goes on from
// there: else its next write has the same number, and is taken for a repeat.
func TestACheckTakesTheWriteThatStands(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"state":{"n":1}`)
		next := w.stored("r")[0]
		next.State, next.Write = []byte(`{"n":1,"m":2}`), next.Write+1
		put := store.Put{Room: "r", Intent: store.IntentUpdate, Member: next, Fence: next.Epoch}
		if _, err := store.PutAndWait(t.Context(), mem, put); err != nil {
			t.Fatal(err)
		}
		if stands, err := checkNow(t, a.ownedIn("r")); !stands || err != nil {
			t.Errorf("check: %t, %v", stands, err)
		}
		a.patch(`{"n":3}`)
		want(t, "state", string(w.stored("r")[0].State), `{"n":3,"m":2}`)
	})
}

// A member was taken over by another node, which its own node has seen, and the store goes back
// to before that, unheard. What stands is what the owner wrote, but clients see the takeover:
// the owner writes it again, above that.
func TestACheckCountsATakeoverThatWasLost(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		rewind := mem.SaveParts()
		l[0].SetPlan(failing("LoadMembers")) // the owner cannot look what became of it
		next := w.stored("r")[0]
		next.Owner, next.Epoch, next.Write, next.UntilMs, next.Away = "claimant", 2, 2, w.nodes[0].StoreNow()+60_000, true
		put := store.Put{Room: "r", Intent: store.IntentResume, Member: next, Fence: 1, KeepState: true}
		if _, err := store.PutAndWait(t.Context(), mem, put); err != nil {
			t.Fatal(err)
		}
		w.rest(100 * time.Millisecond)
		rewind(onlyRoom("r"))
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		if m := w.stored("r")[0]; m.Epoch <= 2 || m.Away || m.UntilMs > 0 {
			t.Errorf("stored: %+v", m)
		}
		w.agree("r")
	})
}

// A node has heard that the store lost everything, and has not read its room since: a check
// takes a missing member for lost.
func TestACheckBehindTheWordOfALoss(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		l[0].SetPlan(hang("Load"))
		mem.Wipe()
		w.rest(renewInterval)
		if stands, err := checkNow(t, a.ownedIn("r")); !stands || err != nil {
			t.Errorf("check: %t, %v", stands, err)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		w.agree("r")
	})
}

// The store lost a member, and its node is about to let go of it: a check that comes in
// between restores nothing.
func TestACheckOfAMemberThatGoesRestoresNothing(t *testing.T) {
	for name, c := range map[string]struct {
		inGrace bool
		set     func(m *owned.Member, on bool) // the room's lock is held
		foreign bool                           // the check has another executor
	}{
		"it moved to another executor": {foreign: true, set: func(*owned.Member, bool) {}},
		"its socket has just closed": {set: func(m *owned.Member, on bool) {
			if closed, is := m.Session.(closedSession); is {
				m.Session = closed.Session
			}
			if on {
				m.Session = closedSession{m.Session}
			}
		}},
		"its leave is under way": {set: func(m *owned.Member, on bool) { m.Leaving = on }},
		"its leave is to be shown": {set: func(m *owned.Member, on bool) {
			if m.Gone = ""; on {
				m.Gone = store.ReasonKicked
			}
		}},
		"its grace has just ended": {inGrace: true, set: func(m *owned.Member, on bool) { m.Grace.Ended = on }},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
				a := w.connect(w.nodes[0], "a")
				a.join("r", "ann", `,"graceMs":60000`)
				if c.inGrace {
					a.end(store.ReasonDisconnect, false)
					w.rest(time.Second)
				}
				m := a.ownedIn("r")
				set := func(on bool) {
					m.Room.Mu.Lock()
					defer m.Room.Mu.Unlock()
					c.set(m, on)
				}
				mem.Wipe()
				set(true)
				check := func(t *testing.T) (bool, error) { return checkNow(t, m) }
				if c.foreign {
					check = func(t *testing.T) (bool, error) { return m.Check(t.Context(), new(serial.Executor)) }
				}
				stands, err := check(t)
				if stands || err != nil || len(w.stored("r")) > 0 {
					t.Errorf("check: %t, %v; stored: %+v", stands, err, w.stored("r"))
				}
				set(false)
				if stands, err := checkNow(t, m); !stands || err != nil || len(w.stored("r")) != 1 {
					t.Errorf("check of a member that stays: %t, %v; stored: %+v", stands, err, w.stored("r"))
				}
			})
		})
	}
}

// A node that was declared dead, and has not heard of it yet, writes no member under the
// id that is dead: nobody looks for it there later.
func TestACheckWritesNothingUnderADeadId(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		rewind := mem.SaveParts()
		a.patch(`{"n":1}`)
		rewind(onlyRoom("r"))
		if err := mem.MarkDead(t.Context(), w.nodes[0].Self()); err != nil {
			t.Fatal(err)
		}
		if stands, err := checkNow(t, a.ownedIn("r")); stands || err == nil {
			t.Errorf("check: %t, %v", stands, err)
		}
		want(t, "state", string(w.stored("r")[0].State), `{}`)
		w.rest(5 * time.Second)
		want(t, "state under the next id", string(w.stored("r")[0].State), `{"n":1}`)
		w.agree("r")
	})
}

// The answer to a restore is lost, and it took effect: the index of users has the member
// nevertheless.
func TestARestoreWithoutAnAnswerIsFinished(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[0].Freeze()
		w.rest(12 * time.Second) // she is removed, with the entry of her user
		plan, failed := failOnce("Put")
		l[0].SetPlan(plan)
		l[0].Thaw()
		w.rest(10 * time.Second)
		if at, err := w.nodes[1].RoomsOf(t.Context(), "ann"); err != nil || len(at) != 1 || !failed.Load() {
			t.Errorf("ann is in %v, %v; an answer was lost: %t", at, err, failed.Load())
		}
	})
}

// The answer to a restore is lost, and the client leaves: the leave finds what the restore
// wrote.
func TestALeaveFindsWhatARestoreWrote(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		mem.Wipe()
		plan, failed := failOnce("Put")
		l[0].SetPlan(plan)
		l[0].Interrupt(true)
		for !failed.Load() {
			w.rest(10 * time.Millisecond)
		}
		a.send("leave", `{}`).wait()
		w.rest(2 * testSettings.StoreTimeout)
		if left := w.stored("r"); len(left) > 0 {
			t.Errorf("ghosts: %+v", left)
		}
	})
}

// A member was removed, and its node did not hear of it: its next request is told so, and
// need not wait until somebody else says it.
func TestARequestOfAMemberThatWasRemovedUnheard(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		a.join("r", "ann", "")
		w.rest(time.Second)
		l[0].SetPlan(deaf())
		if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
			t.Fatal(err)
		}
		if ack := a.patch(`{"n":1}`); ack.Code != wire.CodeNotJoined {
			t.Errorf("patch: %+v", ack)
		}
	})
}

// The store loses a member twice, with a quiet time in between, and each time the
// member's write comes ahead of the notice: the second loss is no removal either.
func TestASecondLossIsNoRemoval(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		losses := []func(func(string) bool){mem.SaveParts(), mem.SaveParts()}
		a.join("r", "ann", "")
		b.heard()
		for i, lose := range losses {
			l[0].SetPlan(deaf())
			lose(onlyRoom("r"))
			asked := a.send("heartbeat", fmt.Sprintf(`{"patchState":{"n":%d}}`, i))
			w.rest(300 * time.Millisecond)
			l[0].SetPlan(storetest.Plan{})
			for _, link := range l {
				link.Interrupt(true)
			}
			if ack := asked.wait(); !ack.OK {
				t.Errorf("patch: %+v", ack)
			}
			w.rest(20 * time.Second)
			if got := b.heard(); strings.Contains(got, "leave") {
				t.Errorf("b heard:\n%s", got)
			}
			w.agree("r")
		}
	})
}

// A member is missing, and its room cannot be read for a while: only the room shows
// whether the store lost data, so nothing is concluded before.
func TestAMissingMemberIsJudgedByItsRoom(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		lose := mem.SaveParts()
		a.join("r", "ann", "")
		b.heard()
		plan := deaf()
		plan.Call = func(q storetest.Call) (f storetest.Fault) {
			if q.Method == "Load" {
				f.Kind = storetest.FailBefore
			}
			return f
		}
		l[0].SetPlan(plan)
		lose(onlyRoom("r"))
		asked := a.send("heartbeat", `{"patchState":{"n":1}}`)
		w.rest(2 * member.NoticeTime)
		l[0].SetPlan(storetest.Plan{})
		for _, link := range l {
			link.Interrupt(true)
		}
		if ack := asked.wait(); !ack.OK {
			t.Errorf("patch: %+v", ack)
		}
		w.rest(5 * time.Second)
		want(t, "b", b.heard(), `update ann@r {"n":1}`)
		w.agree("r")
	})
}

// Somebody removed a member, which its node finds out while its room shows on what the
// store does not have: its leave is shown at once nevertheless.
func TestALeaveInARebuildingIsShown(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		b.heard()
		l[0].SetPlan(deaf())
		if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
			t.Fatal(err)
		}
		m := a.ownedIn("r")
		m.Room.Mu.Lock()
		m.Room.Rep.Lost(time.Now(), true)
		m.Room.GiveUpLocked(m, member.Gone, store.ReasonKicked)
		m.Room.Mu.Unlock()
		w.rest(time.Second)
		want(t, "b", b.heard(), "leave ann@r kicked")
	})
}

// The store loses a member in grace: it is restored with what is left of its grace.
func TestARestoredMemberKeepsItsGrace(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		a.end(store.ReasonDisconnect, false)
		w.rest(3 * time.Second)
		before := w.stored("r")[0]
		l.failover(mem.Wipe)
		w.rest(3 * time.Second)
		now := w.stored("r")
		if len(now) != 2 || !now[0].Away || now[0].UntilMs != before.UntilMs || now[0].Lost != before.Lost {
			t.Errorf("restored: %+v, before: %+v", now, before)
		}
	})
}

// The store loses a member together with its takeover by others, which was shown: it is
// restored above the epoch that clients saw.
func TestARestoreIsAboveATakeoverThatWasLost(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		lose := mem.SaveParts()
		a.join("r", "ann", `,"graceMs":60000`)
		w.takenOverFar(mem, a, 6)
		lose(onlyRoom("r"))
		w.rest(5 * time.Second) // b complains of an epoch that falls
		if got := w.stored("r"); len(got) != 2 || got[0].Epoch <= 6 || got[0].UntilMs > 0 {
			t.Errorf("stored: %+v", got)
		}
		w.agree("r")
	})
}

// A node is about to restore a member with another life when somebody else writes the
// connection: that one stands, and the node lets go of the member.
func TestARestoreThatSomebodyIsFasterThan(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		link := storetest.NewFaulty(mem, storetest.Plan{})
		w.t.Cleanup(link.End)
		hook := &writeHook{Store: link}
		e, err := w.start(hook, nodeClock{link: link})
		if err != nil {
			t.Fatal(err)
		}
		w.steady()
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a := w.connect(e, "a")
		a.join("r", "ann", "")
		link.Freeze()
		w.rest(12 * time.Second) // ann is removed
		other := store.Member{ConnID: "sock-a", UserID: "ann", Life: core.RandomID(9), Owner: "far", Epoch: 2, Write: 1, State: []byte("{}")}
		var faster atomic.Bool
		write := func(m *store.Member) {
			if m.ConnID != "sock-a" || faster.Swap(true) {
				return
			}
			put := store.Put{Room: "r", Intent: store.IntentJoin, Member: other}
			if res, err := store.PutAndWait(t.Context(), mem, put); err != nil || res.Outcome != store.Applied {
				t.Error(res, err)
			}
		}
		hook.before.Store(&write)
		link.Thaw()
		w.rest(3 * time.Second)
		if at := w.stored("r"); !faster.Load() || len(at) != 2 || at[0].Life != other.Life {
			t.Errorf("stored: %+v, want %+v", at, other)
		}
		if ack := a.send("heartbeat", `{"roomId":"r"}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("heartbeat: %+v", ack)
		}
	})
}

// A member of a node that stood still was taken over and removed, unheard by its node,
// which restores it in another life. Then the store goes back to the takeover: the life
// before does not take the place of the present one.
func TestALifeBeforeDoesNotTakeThePlaceOfTheNext(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":12000`)
		l[0].SetPlan(deaf())
		l[0].Freeze()
		w.rest(8 * time.Second)
		if m := w.stored("r")[0]; m.Owner != w.nodes[1].Self() {
			t.Fatalf("not taken over: %+v", m)
		}
		lose := mem.SaveParts()
		w.rest(12 * time.Second)
		l[0].Thaw()
		w.rest(5 * time.Second)
		l[0].SetPlan(storetest.Plan{})
		lose(onlyRoom("r"))
		l[1].SetPlan(hang()) // the node that knows better has no say yet
		l[0].Interrupt(true)
		w.rest(2 * time.Second)
		l[1].SetPlan(storetest.Plan{})
		l[1].Interrupt(true)
		w.rest(10 * time.Second)
		if ack := a.send("heartbeat", `{"roomId":"r"}`).wait(); !ack.OK {
			t.Errorf("heartbeat: %+v", ack)
		}
		if m := w.stored("r")[0]; m.Owner != w.nodes[0].Self() || m.UntilMs > 0 {
			t.Errorf("stored: %+v", m)
		}
		w.agree("r")
	})
}
