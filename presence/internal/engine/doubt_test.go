package engine

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// once has the first call of a method fail.
func once(method string, kind storetest.Kind) storetest.Plan {
	var failed atomic.Bool
	return storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
		if q.Method == method && !failed.Swap(true) {
			f.Kind = kind
		}
		return f
	}}
}

// lateWrites is a store that loses the connection in the first write of an intent, which
// is carried out 0.8 s later.
type lateWrites struct {
	store.Store
	intent atomic.Int32 // 0: none
}

func (s *lateWrites) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	if !s.intent.CompareAndSwap(int32(p.Intent), 0) {
		s.Store.StartPut(ctx, p, w)
		return
	}
	late := *p
	go func() {
		time.Sleep(800 * time.Millisecond)
		_, _ = store.PutAndWait(context.WithoutCancel(ctx), s.Store, late)
	}()
	w.PutDone(store.PutResult{}, store.ErrUnavailable)
}

func (s *lateWrites) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

// inLateWorld is inLinkedWorld with another node, the last one, whose writes may be late.
func inLateWorld(t *testing.T, f func(w *world, e *Engine, mem *memstore.Store, late *lateWrites)) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		late := &lateWrites{Store: mem}
		e := w.startOn(late)
		f(w, e, mem, late)
	})
}

// A restore has no answer, and takes effect when the member has left, or was removed by
// others: it is removed again, though nobody has the room open to see it.
func TestARestoreThatIsLateComesToNothing(t *testing.T) {
	for name, remove := range map[string]func(w *world, a *client){
		"the client leaves": func(_ *world, a *client) { a.send("leave", `{}`).wait() },
		"somebody kicks it": func(w *world, _ *client) {
			if n, err := w.nodes[0].Kick(w.t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); n != 1 || err != nil {
				w.t.Errorf("kicked %d, %v", n, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLateWorld(t, func(w *world, e *Engine, mem *memstore.Store, late *lateWrites) {
				a := w.connect(e, "a")
				a.join("r", "ann", "")
				lose := mem.SaveParts()
				a.patch(`{"n":1}`)
				lose(onlyRoom("r"))
				late.intent.Store(int32(store.IntentRestore))
				e.Owned.Of("r").HandleInterrupt("r", true)
				for late.intent.Load() != 0 {
					w.rest(10 * time.Millisecond)
				}
				remove(w, a)
				w.rest(2 * testSettings.StoreTimeout)
				if left := w.stored("r"); len(left) > 0 {
					t.Errorf("ghosts: %+v", left)
				}
			})
		})
	}
}

// A join has no answer, and takes effect after it was refused: it is taken back.
func TestAJoinThatIsLateComesToNothing(t *testing.T) {
	inLateWorld(t, func(w *world, e *Engine, _ *memstore.Store, late *lateWrites) {
		late.intent.Store(int32(store.IntentJoin))
		if ack := w.connect(e, "a").join("r", "ann", ""); ack.Code != wire.CodeUnavailable {
			t.Errorf("join: %+v", ack)
		}
		w.rest(2 * testSettings.StoreTimeout)
		if left := w.stored("r"); len(left) > 0 {
			t.Errorf("ghosts: %+v", left)
		}
	})
}

// A patch has no answer although it took effect. The next one is another write, not a
// repeat of it.
func TestAPatchBehindOneWithoutAnAnswer(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		l[0].SetPlan(once("Put", storetest.FailAfter))
		if ack := a.patch(`{"n":1}`); ack.Code != wire.CodeUnavailable {
			t.Errorf("first patch: %+v", ack)
		}
		if ack := a.patch(`{"m":2}`); !ack.Changed {
			t.Errorf("second patch: %+v", ack)
		}
		want(t, "state", string(w.stored("r")[0].State), `{"n":1,"m":2}`)
		w.agree("r")
	})
}

// A patch has no answer although it took effect, and the connection is lost: the grace is
// stored behind it.
func TestAGraceBehindAPatchWithoutAnAnswer(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(once("Put", storetest.FailAfter))
		a.send("heartbeat", `{"patchState":{"n":1}}`).wait()
		a.end(store.ReasonDisconnect, false)
		w.rest(testSettings.AwayAfter + time.Second)
		if m := w.stored("r")[0]; !m.Away || m.UntilMs == 0 || string(m.State) != `{"n":1}` {
			t.Errorf("stored: %+v", m)
		}
	})
}

// The grace that a client leaves with is stored, though not at the first try: it may
// resume on a node that knows it from the store alone.
func TestTheGraceOfALeaveIsStoredLater(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(once("Put", storetest.FailBefore))
		a.send("leave", `{"graceMs":3000}`).wait() // too short to be shown away
		w.rest(time.Second)
		if m := w.stored("r"); len(m) != 1 || m[0].UntilMs == 0 {
			t.Errorf("stored: %+v", m)
		}
	})
}

// A leave has no answer, and its socket joins again: the leave comes first.
func TestAJoinBehindALeaveWithoutAnAnswer(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		l[0].SetPlan(once("Remove", storetest.FailBefore))
		a.send("leave", `{}`).wait()
		if ack := a.join("r", "ann", ""); ack.Self.ConnID != "sock-a" || ack.Self.Epoch <= 1 {
			t.Errorf("join: %+v", ack)
		}
		w.rest(time.Second)
		w.agree("r")
	})
}

// A resume takes effect and is refused: the member goes back into grace, and leaves when
// that is over.
func TestARefusedResumeGoesBackIntoGrace(t *testing.T) {
	for method, kind := range map[string]storetest.Kind{"Put": storetest.FailAfter, "ConnJoin": storetest.FailBefore} {
		t.Run(method, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
				b := w.connect(w.nodes[0], "b")
				b.join("r", "bob", "")
				first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":6000`)
				b.heard()
				l[1].SetPlan(once(method, kind))
				again := w.connect(w.nodes[1], "again")
				if ack := again.join("r", "ann", token(first)); ack.Code != wire.CodeUnavailable {
					t.Errorf("resume: %+v", ack)
				}
				w.rest(8 * time.Second)
				want(t, "b", b.heard(), "update ann@r {} away\nleave ann@r disconnect")
				w.agree("r")
			})
		})
	}
}

// The store does not answer for longer than a grace, and a resume is tried meanwhile. When it
// answers again, the grace is over: it began when the resume was refused.
func TestAnOutageDoesNotProlongAGrace(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[1], "a")
		first := a.join("r", "ann", `,"graceMs":6000`)
		b.heard()
		for _, link := range l {
			link.SetPlan(stalled("r"))
		}
		a.end(store.ReasonDisconnect, false)
		again := w.connect(w.nodes[1], "again")
		if ack := again.join("r", "ann", token(first)); ack.Code != wire.CodeUnavailable {
			t.Errorf("resume: %+v", ack)
		}
		again.end(store.ReasonDisconnect, false)
		w.rest(10 * time.Second)
		for _, link := range l {
			link.SetPlan(storetest.Plan{})
		}
		w.rest(2 * time.Second)
		want(t, "b", b.heard(), "leave ann@r disconnect")
		w.agree("r")
	})
}

// A resume has no answer although it took effect, and is tried again by another socket
// before that is known: the second one has the member in the end.
func TestAResumeBehindOneWithoutAnAnswer(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.connect(w.nodes[1], "b").join("r", "bob", "")
		first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
		w.rest(time.Second)
		plan := once("Put", storetest.FailAfter)
		plan.Deliver = func(string) storetest.Delivery { return storetest.Delivery{Delay: 200 * time.Millisecond} }
		l[1].SetPlan(plan) // the event of the first one comes after the second one began
		w.connect(w.nodes[1], "again").join("r", "ann", token(first))
		third := w.connect(w.nodes[1], "third")
		if ack := third.join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume: %+v", ack)
		}
		w.rest(5 * time.Second)
		if ack := third.send("heartbeat", `{}`).wait(); !ack.OK {
			t.Errorf("heartbeat: %+v", ack)
		}
		if m := w.stored("r"); len(m) != 2 || m[0].Away || m[0].UntilMs > 0 {
			t.Errorf("stored: %+v", m)
		}
		w.agree("r")
	})
}

// A second join takes effect and is refused, and the store loses the member before the
// join is taken back: the member is restored with the state that it had before.
func TestARefusedJoinLeavesTheStateAlone(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"state":{"n":1}`)
		l[0].SetPlan(once("ConnJoin", storetest.FailBefore))
		if ack := a.join("r", "ann", `,"state":{"n":2}`); ack.Code != wire.CodeUnavailable {
			t.Errorf("join: %+v", ack)
		}
		l.failover(mem.Wipe)
		w.rest(3 * testSettings.StoreTimeout)
		want(t, "state", string(w.stored("r")[0].State), `{"n":1}`)
		w.agree("r")
	})
}

// Somebody else has the connId of a socket, which its node does not know: the socket joins
// by another one.
func TestAJoinWhoseConnIDIsTaken(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		l[0].SetPlan(deaf())
		w.putFar(mem, store.Put{Intent: store.IntentJoin, Member: store.Member{ConnID: "sock-a", UserID: "x", Owner: "far", Epoch: 1, Write: 1, State: []byte("{}")}})
		l[0].SetPlan(storetest.Plan{})
		if ack := w.connect(w.nodes[0], "a").join("r", "ann", ""); !ack.OK || ack.Self.ConnID == "sock-a" {
			t.Errorf("join: %+v", ack)
		}
	})
}

// A client leaves with a grace and joins as a new member: the one in grace is not forgotten
// for that, and restored when the store loses it.
func TestAJoinBesideAMemberInGrace(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		a.send("leave", `{"graceMs":60000}`).wait()
		if ack := a.join("r", "ann", ""); ack.Self.ConnID == "sock-a" {
			t.Errorf("join: %+v", ack)
		}
		w.rest(3 * time.Second)
		l.failover(mem.Wipe)
		w.rest(3 * time.Second)
		if n := len(w.stored("r")); n != 2 {
			t.Errorf("%d members stand, want both", n)
		}
	})
}

// A socket asks for a resume and closes before the room is read. Another one has the
// member meanwhile, and keeps it.
func TestAResumeOfAClosedSocketTakesNothing(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		st := slowOver(mem)
		e := w.startOn(st)
		first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
		st.slow("Load", 0, 300*time.Millisecond)
		closed := w.connect(e, "closed")
		closed.send("join", fmt.Sprintf(`{"roomId":"r","userId":"ann"%s}`, token(first)))
		w.rest(100 * time.Millisecond)
		closed.end(store.ReasonDisconnect, false)
		again := w.connect(w.nodes[0], "again")
		if ack := again.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		w.rest(time.Second)
		if ack := again.send("heartbeat", `{}`).wait(); !ack.OK {
			t.Errorf("heartbeat: %+v", ack)
		}
	})
}

// A member leaves when the store has gone back to an earlier epoch of it, unheard: that
// record goes, too.
func TestALeaveOfAnOlderRecord(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a.join("r", "ann", "")
		lose := mem.SaveParts()
		a.join("r", "ann", "")
		l[0].SetPlan(deaf())
		lose(onlyRoom("r"))
		a.send("leave", `{}`).wait()
		w.rest(time.Second)
		if left := w.stored("r"); len(left) != 1 {
			t.Errorf("stored: %+v, want bob alone", left)
		}
	})
}

// A member leaves when others have taken it over, unheard: it goes, and who joins next is
// above their epoch.
func TestALeaveOfAMemberThatWasTakenOver(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		w.connect(w.nodes[0], "b").join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(deaf())
		w.takenOverFar(mem, a, 6)
		a.send("leave", `{}`).wait()
		w.rest(200 * time.Millisecond)
		if left := w.stored("r"); len(left) != 1 {
			t.Errorf("stored: %+v, want bob alone", left)
		}
		if ack := a.join("r", "ann", ""); ack.Self.ConnID != "sock-a" || ack.Self.Epoch <= 6 {
			t.Errorf("join: %+v", ack)
		}
	})
}

// A leave meets a member that lives on elsewhere: where its user is stays known.
func TestALeaveThatMeetsAnotherSocket(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(deaf())
		if ack := b.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		a.send("leave", `{}`).wait()
		w.rest(time.Second)
		if at, err := w.nodes[1].RoomsOf(t.Context(), "ann"); err != nil || len(at) != 1 {
			t.Errorf("ann is in %v, %v", at, err)
		}
		if ack := b.send("heartbeat", `{}`).wait(); !ack.OK || strings.Contains(b.heard(), "leave") {
			t.Errorf("heartbeat: %+v", ack)
		}
	})
}

// A rejoin got no answer, and was seen; then the store goes back to before it. All see the
// member again as it was before.
func TestARejoinThatWasSeenAndLost(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"state":{"x":1}`)
		rewind := mem.Save()
		l[0].SetPlan(once("Put", storetest.FailAfter))
		if ack := a.join("r", "ann", `,"state":{"x":2}`); ack.OK {
			t.Fatal("the rejoin was answered")
		}
		if m := b.view("r")["sock-a"]; string(m.State) != `{"x":2}` {
			t.Fatalf("b saw %+v", m)
		}
		l.failover(rewind)
		w.rest(30 * time.Second)
		w.agree("r")
		if m := b.view("r")["sock-a"]; string(m.State) != `{"x":1}` {
			t.Errorf("b sees %+v", m)
		}
	})
}

// aheadPuts is a store whose clock is ahead for so many puts: they come too late for it.
type aheadPuts struct {
	store.Store
	left atomic.Int32
}

func (s *aheadPuts) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	if s.left.Add(-1) < 0 {
		s.Store.StartPut(ctx, p, w)
		return
	}
	w.PutDone(store.PutResult{Outcome: store.Expired}, nil)
}

func (s *aheadPuts) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

// What comes too late to be carried out is repeated: a member that lost its socket is shown away.
func TestAWriteThatComesTooLateIsRepeated(t *testing.T) {
	inLinkedWorld(t, 0, func(w *world, mem *memstore.Store, _ links) {
		st := &aheadPuts{Store: mem}
		e := w.startOn(st)
		a, b := w.connect(e, "a"), w.connect(e, "b")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":60000`)
		b.heard()
		st.left.Store(1)
		a.end(store.ReasonDisconnect, false)
		w.rest(10 * time.Second)
		want(t, "b", b.heard(), "update ann@r {} away")
	})
}
