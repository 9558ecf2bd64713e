package engine

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// links are the ways of a world's nodes to their store, which can stand still
// or be interrupted.
type links []*storetest.Faulty

// inLinkedWorld is inWorld with a link for each node.
func inLinkedWorld(t *testing.T, nodes int, f func(w *world, mem *memstore.Store, l links)) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		runWorld(t, mem, 0, func(w *world) {
			var l links
			for range nodes {
				link := storetest.NewFaulty(mem, storetest.Plan{})
				t.Cleanup(link.End)
				if _, err := w.start(link, nodeClock{link: link}); err != nil {
					t.Fatal(err)
				}
				l = append(l, link)
			}
			f(w, mem, l)
		})
	})
}

// failover is what a store does that loses the last it was told.
func (l links) failover(rewind func()) {
	rewind()
	for _, link := range l {
		link.Interrupt(true)
	}
}

// A replica without the last writes is promoted: joins and patches that were
// acknowledged stand again soon, leaves too, and nobody hears of any of it.
func TestAFailoverThatLosesWritesIsUndone(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b, c, d := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "c"), w.connect(w.nodes[0], "d")
		a.join("r", "ann", `,"state":{"n":1}`)
		b.join("r", "bob", "")
		c.join("r", "cat", "")
		rewind := mem.Save()
		first := a.patch(`{"n":2}`)
		c.send("leave", `{}`).wait()
		d.join("r", "dan", "")
		b.heard()
		l.failover(rewind)
		w.rest(5 * time.Second)
		want(t, "b", b.heard(), "")
		w.agree("r")
		if n := len(w.stored("r")); n != 3 {
			t.Errorf("%d members stand, want ann, bob and dan", n)
		}
		if ack := a.send("heartbeat", `{"epoch":1,"patchState":{"m":3}}`).wait(); !ack.Changed || ack.Stale || ack.Seq <= first.Seq {
			t.Errorf("a patch with the epoch of the join: %+v after %+v", ack, first)
		}
		want(t, "b", b.heard(), `update ann@r {"n":2,"m":3}`)
	})
}

// The last member of a room left, nobody has the room open any more, and the
// store forgets the leave, but not that its index entry is gone, which may lie
// on another server: the node says the leave again, whatever goes wrong once.
func TestALeaveThatTheStoreForgotIsRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		kind   storetest.Kind
	}{
		"nothing fails":             {},
		"the leave's answer lost":   {"Remove", storetest.FailAfter},
		"the first look fails":      {"LoadMembers", storetest.FailBefore},
		"the second removal failed": {"Remove", storetest.FailBefore},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
				var failed atomic.Bool
				fail := storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
					if q.Method == c.method && !failed.Swap(true) {
						f.Kind = c.kind
					}
					return f
				}}
				a := w.connect(w.nodes[0], "a")
				a.join("r", "ann", "")
				rewind := mem.Save()
				user := store.UserEntry{UserID: "ann", Room: "r", ConnID: a.ID(), Life: w.stored("r")[0].Life}
				if c.kind == storetest.FailAfter {
					l[0].SetPlan(fail)
				}
				a.end(store.ReasonDisconnect, true)
				w.rest(2 * testSettings.StoreTimeout)
				l[0].SetPlan(fail)
				l.failover(func() {
					rewind()
					if err := mem.RemoveUser(t.Context(), user); err != nil {
						t.Error(err)
					}
					if err := mem.ConnLeave(t.Context(), store.Conn{ConnID: "sock-a", Room: "r", Node: w.nodes[0].Self()}); err != nil {
						t.Error(err)
					}
				})
				w.rest(10 * time.Second)
				for _, key := range mem.Keys() {
					if key != "nodes" && !strings.HasSuffix(key, ":rooms") {
						t.Errorf("back again: %s", key)
					}
				}
				if c.method != "" && !failed.Load() {
					t.Error("nothing went wrong")
				}
			})
		})
	}
}

// The store loses what it knew of a node, which dies before it can say anything
// again: its members leave once others judge that they have no owner.
func TestMembersOfANodeThatNobodyKnowsLeave(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		b.heard()
		if err := mem.Retire(t.Context(), w.nodes[0].Self()); err != nil {
			t.Fatal(err)
		}
		l[0].Kill()
		w.crash(w.nodes[0])
		w.nodes = w.nodes[1:]
		w.rest(20 * time.Second)
		want(t, "b", b.heard(), "leave ann@r node_lost")
		w.agree("r")
	})
}

// A resume that comes while owners restore what the store lost waits for them.
func TestAResumeWaitsForWhatTheStoreLost(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000,"state":{"n":1}`)
		b.heard()
		time.Sleep(400 * time.Millisecond) // the nodes' next beats are some way off
		mem.Wipe()
		for range 20 {
			ack := w.connect(w.nodes[1], "a2").join("r", "ann", token(first))
			if ack.Code == wire.CodeUnavailable {
				continue // as a client does
			}
			if !ack.Resumed || ack.Self.ConnID != "sock-a" {
				t.Errorf("resume: %+v", ack)
			}
			break
		}
		w.rest(20 * time.Second)
		if got := b.heard(); strings.Contains(got, "leave") || strings.Contains(got, "join") {
			t.Errorf("b heard:\n%s", got)
		}
		w.agree("r")
	})
}

// A node is taken for dead while it stands still; its client leaves meanwhile,
// and the claimant, who holds the member in grace by then, learns of it.
func TestALeaveOnAFrozenNodeCounts(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		b.heard()
		l[0].Freeze()
		w.rest(10 * time.Second)
		want(t, "while it stands still", b.heard(), "update ann@r {} away")
		a.send("leave", `{}`) // lies unread until the node goes on
		l[0].Thaw()
		w.rest(5 * time.Second)
		want(t, "when it goes on", b.heard(), "leave ann@r leave")
		w.agree("r")
	})
}

// distant is a store whose steps take their time.
type distant struct{ store.Store }

func (d distant) AddRoom(ctx context.Context, n store.NodeRoom) error {
	time.Sleep(time.Millisecond)
	return d.Store.AddRoom(ctx, n)
}

func (d distant) LoadMembers(ctx context.Context, room string, connIDs []string) (store.Room, error) {
	time.Sleep(time.Millisecond)
	return d.Store.LoadMembers(ctx, room, connIDs)
}

// The same node takes a dead one's member over and is asked to resume it.
func TestAResumeAndATakeoverByTheSameNode(t *testing.T) {
	for delay := range 40 {
		inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
			if _, err := w.start(distant{mem}, clock.System{}); err != nil {
				t.Fatal(err)
			}
			w.steady()
			b := w.connect(w.nodes[1], "b")
			b.join("r", "bob", "")
			first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
			b.heard()
			old := w.nodes[0]
			l[0].Kill()
			w.crash(old)
			w.nodes = w.nodes[1:]
			if err := mem.MarkDead(t.Context(), old.Self()); err != nil {
				t.Fatal(err)
			}
			next := time.Until(time.Now().Truncate(time.Second).Add(time.Second)) // the beat that finds it
			time.Sleep(next + time.Duration(delay)*250*time.Microsecond)
			a2 := w.connect(w.nodes[0], "a2")
			if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
				t.Errorf("delay %d: %+v", delay, ack)
			}
			w.rest(10 * time.Second)
			for _, m := range w.stored("r") {
				if m.Away || m.UntilMs > 0 {
					t.Errorf("delay %d: %s is in grace though its socket is there", delay, m.ConnID)
				}
			}
			w.agree("r")
		})
	}
}

// The store has a member back whose grace is over, and somebody comes for it
// with the token before the node has removed it again.
func TestAResumeOfWhatTheStoreHasBack(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		first := a.join("r", "ann", `,"graceMs":3000`)
		a.end(store.ReasonDisconnect, false)
		w.rest(2500 * time.Millisecond)
		rewind := mem.Save()
		w.rest(5 * time.Second)
		b.send("leave", `{}`).wait()
		l.failover(rewind)
		a2 := w.connect(w.nodes[0], "a2")
		for range 5 {
			a2.join("r", "ann", token(first))
			w.rest(time.Second)
		}
		a2.send("leave", `{}`).wait()
		w.rest(70 * time.Second)
		if left := w.stored("r"); len(left) > 0 {
			t.Errorf("ghosts: %+v", left)
		}
	})
}

// A room is read after the node heard of a loss, and before the room did, or
// before anybody did.
func TestALoadAheadOfTheNoticeOfALoss(t *testing.T) {
	t.Run("to the room", func(t *testing.T) { aheadOfTheNotice(t, false) })
	t.Run("to the node", func(t *testing.T) { aheadOfTheNotice(t, true) })
}

func aheadOfTheNotice(t *testing.T, unknown bool) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", "")
		rewind := mem.Save()
		b.join("r", "bob", "")
		a.heard()
		rewind()
		l[0].SetPlan(deaf())
		dave := store.Member{ConnID: "dave", UserID: "dave", Owner: "far", Epoch: 1, Write: 1, State: []byte("{}")}
		for range 2 { // of another node, after the loss
			if _, err := store.PutAndWait(t.Context(), mem, store.Put{Room: "r", Intent: store.IntentJoin, Member: dave}); err != nil {
				t.Fatal(err)
			}
			dave.ConnID = "dora"
		}
		if !unknown {
			nodeMessages{w.nodes[0]}.HandleInterrupt("", true)
		}
		r := w.nodes[0].Rooms.All()[0]
		r.Mu.Lock()
		r.Resync()
		r.Mu.Unlock()
		w.rest(300 * time.Millisecond)
		l[0].Interrupt(true)
		w.rest(5 * time.Second)
		if got := a.heard(); strings.Contains(got, "leave") {
			t.Errorf("a heard:\n%s", got)
		}
		if n := len(w.stored("r")); n != 4 {
			t.Errorf("%d members stand, want ann, bob, dave and dora", n)
		}
	})
}

// Long ago the store lost data in a part where a room is not. A load of the room that lacks a
// member, whose leave was not heard, shows the leave at once.
func TestALossElsewhereIsOver(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		a.heard()
		nodeMessages{w.nodes[0]}.HandleInterrupt("", true)
		w.rest(replica.LossTime + time.Second)
		l[0].SetPlan(deaf())
		b.end(store.ReasonDisconnect, true)
		w.rest(100 * time.Millisecond)
		l[0].SetPlan(storetest.Plan{})
		want(t, "before the load", a.heard(), "")
		l[0].Interrupt(false)
		w.rest(core.MaxJitter + time.Second)
		want(t, "after it", a.heard(), "leave bob@r disconnect")
	})
}

// Somebody kicks a member of a node that hears nothing: its room and the client
// itself learn of it all the same, once.
func TestAKickThatTheOwnerDoesNotHear(t *testing.T) {
	for _, grace := range []string{"", `,"graceMs":60000`} {
		inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
			w.steady()
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			b.join("r", "bob", "")
			a.join("r", "ann", grace)
			b.heard()
			if grace != "" {
				a.end(store.ReasonDisconnect, false)
			}
			l[0].SetPlan(deaf())
			w.rest(time.Millisecond)
			if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
				t.Fatal(err)
			}
			w.rest(5 * time.Second)
			if got := b.heard(); strings.Count(got, "leave ann@r") != 1 {
				t.Errorf("b heard:\n%s", got)
			}
			if got := a.heard(); grace == "" && strings.Count(got, "leave ann@r") != 1 {
				t.Errorf("a heard:\n%s", got)
			}
			if ack := a.send("heartbeat", `{"roomId":"r"}`).wait(); grace == "" && ack.Code != wire.CodeNotJoined {
				t.Errorf("heartbeat: %+v", ack)
			}
			w.agree("r")
			if n := len(w.stored("r")); n != 1 {
				t.Errorf("%d members stand", n)
			}
		})
	}
}

// The last member of a room is kicked, and its node reads the room before it
// hears of that: the room that is not there any more is no loss.
func TestALoadAheadOfTheLastLeave(t *testing.T) {
	for _, grace := range []string{"", `,"graceMs":60000`} {
		inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
			w.steady()
			a := w.connect(w.nodes[0], "a")
			a.join("r", "ann", grace)
			if grace != "" {
				a.end(store.ReasonDisconnect, false)
			}
			l[0].SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery { return storetest.Delivery{Delay: 200 * time.Millisecond} }})
			w.rest(time.Millisecond)
			r := w.nodes[0].Rooms.All()[0]
			if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
				t.Fatal(err)
			}
			r.Mu.Lock()
			r.Resync()
			r.Mu.Unlock()
			w.rest(5 * time.Second)
			if got := a.heard(); grace == "" && !strings.HasSuffix(got, "leave ann@r kicked") {
				t.Errorf("a heard:\n%s", got)
			}
			if left := w.stored("r"); len(left) > 0 {
				t.Errorf("back again: %+v", left)
			}
		})
	}
}

// Somebody kicks a resumable member whose node stands still for long enough to
// be taken for dead: its client learns of it when the node goes on.
func TestAKickOfAFrozenNodesMember(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		l[0].SetPlan(deaf())
		l[0].Freeze()
		w.rest(time.Second)
		if _, err := w.nodes[1].Kick(t.Context(), KickTarget{UserID: "ann", RoomID: "r"}); err != nil {
			t.Fatal(err)
		}
		w.rest(6 * time.Second)
		l[0].Thaw()
		w.rest(7 * time.Second)
		if got := a.heard(); strings.Count(got, "leave ann@r") != 1 {
			t.Errorf("a heard:\n%s", got)
		}
		w.agree("r")
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand, want bob alone", n)
		}
	})
}

// A member that its node restores has an epoch above all that anybody was
// shown of it, also of what others did with it meanwhile.
func TestARestoreGoesOnFromTheEpochShown(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":12000`)
		ann := func() (m store.Member) {
			if found, err := mem.LoadMembers(t.Context(), "r", []string{"sock-a"}); err == nil && len(found.Members) > 0 {
				m = found.Members[0]
			}
			return m
		}
		takenOver := func(epoch int64) {
			for ann().Epoch < epoch {
				w.rest(100 * time.Millisecond)
			}
		}
		l[0].Freeze()
		takenOver(2)
		claimant := slices.IndexFunc(w.nodes, func(e *Engine) bool { return e.Self() == ann().Owner })
		l[claimant].Kill()
		w.crash(w.nodes[claimant])
		w.nodes = slices.Delete(w.nodes, claimant, claimant+1)
		takenOver(3)
		l[0].SetPlan(deaf())
		w.rest(20 * time.Second)
		l[0].SetPlan(storetest.Plan{})
		l[0].Thaw()
		w.rest(10 * time.Second)
		if m := ann(); m.Epoch == 0 || m.UntilMs > 0 { // her client complains of an epoch that falls
			t.Errorf("ann stands as %+v", m)
		}
	})
}

// Events of before a loss come after the room was read again: what they say of a
// member that is being restored is known to be old.
func TestEventsOfBeforeALossComeLate(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		rewind := mem.Save()
		l[0].SetPlan(deaf())
		a.join("r", "ann", "")
		first := w.stored("r")[0]
		a.join("r", "ann", `,"state":{"n":1}`)
		b.heard()
		l[0].SetPlan(storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
			if c.Method == "Put" {
				f.Kind = storetest.FailBefore
			}
			return f
		}})
		l.failover(rewind)
		w.rest(core.MaxJitter + time.Millisecond)
		r := w.nodes[0].Rooms.All()[0]
		at := r.Position()
		r.Mu.Lock()
		at.Seq = r.Rep.Loaded().Seq + 1
		r.Mu.Unlock()
		r.HandleEvent(store.Event{Position: at, Prev: at.Seq - 1, Intent: store.IntentJoin, Member: first, UserConns: 1})
		want(t, "b", b.heard(), "")
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
		want(t, "b", b.heard(), "")
		w.agree("r")
	})
}

// A failover takes back the epochs of a member in grace, which is resumed elsewhere
// by the same epoch before its node restores it. That node's grace is over then:
// it does not end the next one, which is longer.
func TestAGraceDoesNotEndTheNextOne(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":10000`)
		rewind := mem.Save()
		var first wireAck
		for range member.ResumeStep {
			first = a.join("r", "ann", `,"graceMs":10000`)
		}
		a.end(store.ReasonDisconnect, false)
		w.rest(10 * time.Millisecond)
		l[0].SetPlan(storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
			if q.Method == "LoadMembers" { // with which a restore begins
				f.Kind = storetest.FailBefore
			}
			return f
		}})
		l.failover(rewind)
		w.rest(core.MaxJitter)
		for _, patch := range []string{`{"n":1}`, `{"n":2}`} { // the room goes on
			b.patch(patch)
			w.rest(100 * time.Millisecond)
		}
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed || ack.Self.Epoch != first.Self.Epoch {
			t.Fatalf("resume: %+v", ack)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(4 * time.Second)
		a2.end(store.ReasonDisconnect, false)
		w.rest(7 * time.Second) // the first grace would be over
		if got := b.heard(); strings.Contains(got, "leave") {
			t.Errorf("b heard:\n%s", got)
		}
		if ack := w.connect(w.nodes[1], "a3").join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resume in the second grace: %+v", ack)
		}
		w.rest(5 * time.Second)
		w.agree("r")
	})
}

// The store forgets a leave, and does not answer at once when it is told again.
// Meanwhile the room is read once more, or another node takes the member over
// whose node died: it is not shown.
func TestWhoLeftIsNotShownUntilTheStoreKnows(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, mem *memstore.Store, dead string){
		"the room is read": func(w *world, _ *memstore.Store, _ string) {
			r := w.nodes[1].Rooms.All()[0]
			r.Mu.Lock()
			r.Resync()
			r.Mu.Unlock()
		},
		"another node takes it over": func(w *world, mem *memstore.Store, dead string) {
			if err := mem.MarkDead(w.t.Context(), dead); err != nil {
				w.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[2], "b")
				b.join("r", "bob", "")
				a.join("r", "ann", `,"graceMs":60000`)
				rewind := mem.Save()
				a.send("leave", `{}`).wait()
				l[0].Kill()
				dead := w.nodes[0].Self()
				w.crash(w.nodes[0])
				w.nodes = w.nodes[1:]
				var fails atomic.Bool
				fails.Store(true)
				l[2].SetPlan(storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
					if q.Method == "Claim" || q.Method == "Remove" && fails.Load() {
						f.Kind = storetest.FailBefore
					}
					return f
				}})
				l[1:].failover(rewind)
				w.rest(core.MaxJitter)
				b.patch(`{"n":1}`)
				w.rest(100 * time.Millisecond)
				b.patch(`{"n":2}`)
				w.rest(100 * time.Millisecond)
				b.heard()
				meanwhile(w, mem, dead)
				w.rest(1200 * time.Millisecond)
				fails.Store(false)
				w.rest(20 * time.Second)
				want(t, "b", b.heard(), "")
				if n := len(w.stored("r")); n != 1 {
					t.Errorf("%d members stand, want bob alone", n)
				}
				w.agree("r")
			})
		})
	}
}

// The store loses everything and says nothing: a node learns that by its next life sign, and
// restores its members within that, a jitter and the time of a check, whatever the rooms hear.
func TestAWipeIsNoticedByTheLifeSign(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		w.connect(w.nodes[0], "b").join("s", "bob", "")
		mem.Wipe()
		w.rest(renewInterval + core.MaxJitter + 100*time.Millisecond)
		for _, room := range []string{"r", "s"} {
			if n := len(w.stored(room)); n != 1 {
				t.Errorf("%d members of room %s stand", n, room)
			}
		}
	})
}

// A claimant reaps a dead node, and then dies too. The store loses what the claimant wrote. The
// last node looks through the rooms of the dead node again.
func TestADeadNodeThatIsBackIsReapedAgain(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		w.connect(w.nodes[2], "c").join("s", "cat", "")
		l[0].Kill()
		w.crash(w.nodes[0])
		w.rest(3 * time.Second)
		rewind := mem.SaveParts()
		l[2].Freeze() // so that the other one is the claimant
		w.rest(3 * time.Second)
		l[2].Thaw()
		w.rest(25 * time.Second)
		if left := w.stored("r"); len(left) > 0 {
			t.Fatalf("not reaped: %+v", left)
		}
		l[1].Kill()
		w.crash(w.nodes[1])
		rewind(func(part string) bool { return part == "room:r" || part == "index" })
		l[2].Interrupt(true)
		w.rest(2 * renewInterval)
		if left := w.stored("r"); len(left) > 0 {
			t.Errorf("%+v stand", left)
		}
	})
}
