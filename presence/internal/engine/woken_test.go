package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Clients hung up while their node stood still, and one came back elsewhere and
// left: the node reads all of that only after it woke, and brings nobody back.
func TestAWokenNodeReadsBeforeItRestores(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b, c := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "c")
		first := a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		c.join("r", "cat", "")
		l[0].Freeze()
		w.rest(8 * time.Second)
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		a2.send("leave", `{}`).wait()
		b.heard()
		l[0].Thaw()
		w.rest(200 * time.Millisecond) // so long it reads
		a.end(store.ReasonDisconnect, false)
		c.end(store.ReasonDisconnect, false)
		w.rest(20 * time.Second)
		want(t, "b", b.heard(), "")
		w.agree("r")
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand", n)
		}
	})
}

// A woken node restores its member in a new life, which its own clients do not see, and the
// member is kicked before the node has read the room: its client is told.
func TestAKickOfARestoredMemberIsTold(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		l[0].SetPlan(deaf())
		l[0].Freeze()
		w.rest(10 * time.Second)
		a.heard()
		want(t, "b", b.heard(), "join bob@r {}\nleave ann@r node_lost")
		plan := hang("Load")
		plan.Deliver = deaf().Deliver
		l[0].SetPlan(plan)
		l[0].Thaw()
		w.rest(1500 * time.Millisecond)
		want(t, "b sees it restored", b.heard(), "join ann@r {}")
		if n, err := w.nodes[1].Kick(t.Context(), KickTarget{RoomID: "r", UserID: "ann"}); n != 1 || err != nil {
			t.Errorf("kicked: %d, %v", n, err)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(10 * time.Second)
		if got := a.heard(); !strings.Contains(got, "leave ann@r") {
			t.Errorf("a heard:\n%s", got)
		}
		if ack := a.send("heartbeat", `{}`).wait(); ack.OK {
			t.Errorf("heartbeat: %+v", ack)
		}
		w.agree("r")
	})
}

// A claimant took a member over, which its node did not hear; the store lost that, and somebody
// kicked the member. The socket joins again, above the epoch that others saw.
func TestAJoinAfterARemovalIsAboveWhatOthersSaw(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		rewind := mem.SaveParts()
		l[0].SetPlan(deaf())
		next := w.stored("r")[0]
		next.Owner, next.Epoch, next.Write, next.UntilMs = "claimant", 2, 2, w.nodes[0].StoreNow()+60_000
		put := store.Put{Room: "r", Intent: store.IntentResume, Member: next, Fence: 1, KeepState: true}
		if _, err := store.PutAndWait(t.Context(), mem, put); err != nil {
			t.Fatal(err)
		}
		w.rest(10 * time.Millisecond)
		rewind(onlyRoom("r"))
		l[0].SetPlan(storetest.Plan{})
		if _, err := mem.Remove(t.Context(), store.Remove{Room: "r", ConnID: a.ID(), Life: next.Life, Reason: store.ReasonKicked}); err != nil {
			t.Fatal(err)
		}
		w.rest(10 * time.Millisecond)
		if ack := a.join("r", "ann", ""); !ack.OK || ack.Self.Epoch <= 2 {
			t.Errorf("join: %+v", ack)
		}
	})
}

// A grace begins when the connection ends, not when a slow store lets the node
// see to it.
func TestAGraceBeginsWithTheLoss(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"graceMs":10000`)
		b.join("r", "bob", "")
		b.heard()
		st.SetPlan(hang("Put"))
		a.send("heartbeat", `{"patchState":{"n":1}}`)
		a.end(store.ReasonDisconnect, false)
		w.rest(2 * time.Second)
		st.SetPlan(storetest.Plan{})
		w.rest(8500 * time.Millisecond)
		if got := b.heard(); !strings.HasSuffix(got, "leave ann@r disconnect") {
			t.Errorf("b heard:\n%s", got)
		}
		w.agree("r")
	})
}

// The room is read again while a join is on its way to the store, and holds
// nobody of that connection yet, as it did before: the join goes on.
func TestAJoinUnderWayIsNotTakenForRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		st := slowOver(faulty)
		runWorld(t, st, 1, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			b.join("r", "bob", "")
			a.join("r", "ann", "")
			faulty.SetPlan(deaf())
			a.send("leave", `{}`).wait()
			st.slow("Put", 1500*time.Millisecond, 0)
			back := a.send("join", `{"roomId":"r","userId":"ann","graceMs":60000}`)
			w.rest(100 * time.Millisecond)
			faulty.SetPlan(storetest.Plan{})
			w.nodes[0].Rooms.All()[0].HandleInterrupt("r", false)
			if ack := back.wait(); !ack.OK {
				t.Errorf("join: %+v", ack)
			}
			st.slow("Put", 0, 0)
			w.rest(5 * time.Second)
			if got := b.heard(); !strings.HasSuffix(got, "leave ann@r leave\njoin ann@r {}") {
				t.Errorf("b heard:\n%s", got)
			}
		})
	})
}

// A node takes a dead one's member over and is asked to resume it before it has
// heard of that itself.
func TestAResumeAheadOfTheTakeoversEvent(t *testing.T) {
	for at := 3500 * time.Millisecond; at < 6*time.Second; at += 50 * time.Millisecond {
		inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
			w.steady()
			w.connect(w.nodes[1], "b").join("r", "bob", "")
			first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
			l[0].Kill()
			w.crash(w.nodes[0])
			w.nodes = w.nodes[1:]
			l[1].SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
				return storetest.Delivery{Delay: 60 * time.Millisecond}
			}})
			w.rest(at)
			if ack := w.connect(w.nodes[0], "a2").join("r", "ann", token(first)); !ack.Resumed {
				t.Errorf("at %v: %+v", at, ack)
			}
			w.rest(10 * time.Second)
			for _, m := range w.stored("r") {
				if m.Away || m.UntilMs > 0 {
					t.Errorf("at %v: %s is in grace though its socket is there", at, m.ConnID)
				}
			}
			w.agree("r")
		})
	}
}

// While the store hangs, a request is answered in time although writes in doubt
// are tried again before it.
func TestRequestsDoNotWaitForMending(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		st.SetPlan(hang("Put"))
		var asked sync.WaitGroup
		for i := range 100 {
			p := a.send("heartbeat", fmt.Sprintf(`{"patchState":{"n":%d}}`, i))
			asked.Go(func() {
				if took := p.took(); took > 2*time.Second {
					t.Errorf("patch %d was answered after %v", i, took)
				}
			})
			w.rest(70 * time.Millisecond)
		}
		asked.Wait()
		st.SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		w.agree("r")
	})
}

// The store lost a leave, and an index entry of the member is looked at: it is
// not taken for one that lost its socket.
func TestALostLeaveIsNotTakenForALostSocket(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		a, b := w.connect(e, "a"), w.connect(e, "b")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		rewind := w.store.(*memstore.Store).Save()
		a.send("leave", `{}`).wait()
		b.heard()
		rewind()
		for _, m := range w.stored("r") {
			if m.ConnID == "sock-a" {
				_ = e.reapMember(context.Background(), "r", &m)
			}
		}
		w.rest(10 * time.Second)
		want(t, "b", b.heard(), "")
		w.agree("r")
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand", n)
		}
	})
}

// A connection that ended is not restored although the node has had no time yet
// to see to its end.
func TestAClosedConnectionIsNotRestored(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		b.heard()
		plan := hang("Positions", "NodeStates")
		plan.Deliver = deaf().Deliver // it does not hear what became of its members
		l[0].SetPlan(plan)
		l[0].Freeze()
		w.rest(8 * time.Second)
		want(t, "while it stands still", b.heard(), "leave ann@r node_lost")
		busy := make(chan struct{})
		for range core.LeavesAtOnce {
			w.nodes[0].LeavePool.Submit("r", func() { <-busy })
		}
		a.end(store.ReasonDisconnect, false)
		l[0].Thaw()
		w.rest(400 * time.Millisecond)
		l[0].SetPlan(storetest.Plan{})
		w.rest(600 * time.Millisecond)
		close(busy)
		w.rest(5 * time.Second)
		want(t, "when it goes on", b.heard(), "")
		w.agree("r")
	})
}

// A patch that finds its member in a claimant's hands, of a connection that ended
// meanwhile, comes to an end too.
func TestAPatchOfAClosedConnectionEnds(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		b.heard()
		l[0].SetPlan(deaf())
		l[0].Freeze()
		w.rest(8 * time.Second)
		want(t, "while it stands still", b.heard(), "update ann@r {} away")
		l[0].Thaw()
		a.send("heartbeat", `{"patchState":{"n":1}}`)
		a.end(store.ReasonDisconnect, false)
		l[0].SetPlan(storetest.Plan{})
		w.rest(70 * time.Second)
		w.agree("r")
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand, want bob alone", n)
		}
	})
}

// The store lost a member, and nobody knows that yet: it is not denied to who
// comes back for it.
func TestAResumeBeforeTheLossIsNoticed(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, _ links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		rewind := mem.Save()
		first := a.join("r", "ann", `,"graceMs":60000`)
		a.end(store.ReasonDisconnect, false)
		b.heard()
		rewind()
		a2 := w.connect(w.nodes[1], "a2")
		ack := a2.join("r", "ann", token(first))
		for range 10 {
			if ack.OK {
				break
			}
			w.rest(time.Second) // as a client does
			ack = a2.join("r", "ann", token(first))
		}
		if !ack.Resumed {
			t.Errorf("resume: %+v", ack)
		}
		w.rest(20 * time.Second)
		w.agree("r")
	})
}

// A grace that is restored while its member is being resumed on the same node
// does not pass for the resume.
func TestAResumeIsNotTakenForTheGracesRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		hook := &writeHook{Store: mem}
		runWorld(t, hook, 1, func(w *world) {
			b := w.connect(w.nodes[0], "b")
			b.join("r", "bob", "")
			a := w.connect(w.nodes[0], "a")
			first := a.join("r", "ann", `,"graceMs":60000`)
			a.end(store.ReasonDisconnect, false)
			w.rest(time.Millisecond)
			r := w.nodes[0].Owned.Of("r")
			r.Mu.Lock()
			m := r.Owned["sock-a"]
			r.Mu.Unlock()
			mem.Wipe()
			var once atomic.Bool
			restore := func(*store.Member) {
				if !once.Swap(true) {
					_, _ = m.Check(t.Context(), m.Writer()) // tried again if it can't now
				}
			}
			hook.before.Store(&restore)
			a2 := w.connect(w.nodes[0], "a2")
			for !a2.join("r", "ann", token(first)).Resumed {
				w.rest(time.Second)
			}
			w.rest(10 * time.Second)
			for _, m := range w.stored("r") {
				if m.Away || m.UntilMs > 0 {
					t.Errorf("%s is in grace though its socket is there", m.ConnID)
				}
			}
			w.agree("r")
		})
	})
}

// A node is told that the store may have lost writes, wakes declared dead, and the
// store loses everything, the death included: what it says again it says under its
// new id, or nobody would ever remove it.
func TestAWokenNodeWritesNothingUnderItsOldID(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		old := w.nodes[0].Self()
		failing := func(method string) storetest.Plan {
			return storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
				if c.Method == method || c.Method == "Load" { // which could have members restored before
					f.Kind = storetest.FailBefore
				}
				return f
			}}
		}
		l[0].SetPlan(failing("AddUser"))
		l.failover(mem.Save())
		l[0].Freeze()
		w.rest(8 * time.Second)
		l[0].Thaw()
		for w.nodes[0].Self() == old {
			w.rest(10 * time.Millisecond)
		}
		mem.Wipe()
		l[0].SetPlan(failing("LoadMembers")) // with which a restore begins
		w.rest(3 * core.RetryInterval)
		l[0].SetPlan(storetest.Plan{})
		w.rest(20 * time.Second)
		w.agree("r")
		for _, key := range mem.Keys() {
			if strings.Contains(key, old) {
				t.Errorf("%s is left", key)
			}
		}
	})
}

// A node stood still for longer than it waits for silent connections: what their clients
// sent meanwhile lies unread, and nobody is closed for that.
func TestAWokenNodeClosesNobodyForItsOwnSilence(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		l[0].Freeze()
		time.Sleep(testSettings.Lookback + 10*time.Second)
		l[0].Thaw()
		synctest.Wait()
		a.pong() // which it reads now
		w.rest(10 * time.Second)
		if a.isGone() {
			t.Error("the connection was closed")
		}
	})
}

// A node was taken for dead, and hears nothing of that: a patch of a member that another
// node took over meanwhile does not tell its client that it is out of the room.
func TestAPatchOfAMemberThatWasTakenOver(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		b, a := w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "a")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery { return storetest.Delivery{Drop: true} }})
		l[0].Freeze()
		w.rest(10 * time.Second)
		l[0].Thaw()
		ack := a.send("heartbeat", `{"patchState":{"n":1}}`).wait()
		l[0].SetPlan(storetest.Plan{})
		if !ack.OK && ack.Code != wire.CodeUnavailable {
			t.Errorf("patch: %+v", ack)
		}
		w.rest(10 * time.Second)
		if ack := a.patch(`{"n":2}`); !ack.Changed {
			t.Errorf("patch: %+v", ack)
		}
		w.agree("r")
	})
}

// The client of a node that stood still sent a patch, then a leave. The patch does not wait
// until the member is restored: the leave behind it is read first, and nobody sees a join.
func TestALeaveBehindAPatchIsReadBeforeTheRestore(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		b.heard()
		l[0].Freeze()
		w.rest(10 * time.Second)
		want(t, "b hears", b.heard(), "leave ann@r node_lost")
		l[0].Thaw()
		a.send("heartbeat", `{"roomId":"r","patchState":{"x":1}}`)
		a.send("leave", `{}`)
		w.rest(5 * time.Second)
		want(t, "b hears when the node goes on", b.heard(), "")
		w.agree("r")
	})
}
