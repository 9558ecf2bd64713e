package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// roomNames are the names of n rooms.
func roomNames(n int) (rooms []string) {
	for i := range n {
		rooms = append(rooms, fmt.Sprint("r", i))
	}
	return rooms
}

// die ends a node with members in rooms, and returns its id.
func (p *peer) die(rooms ...string) string {
	p.joins(rooms...)
	id := p.ID()
	p.end()
	return id
}

// A node dies: another one has reaped its rooms within the lease and 4 s, and once more 10 s
// later. Nothing is left in the store but the mark, and the rooms are looked at no more.
func TestADeadNodeIsReaped(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		p := w.all[1]
		rooms := roomNames(3*roomsPage + 1)
		dead := w.all[0].die(rooms...)
		time.Sleep(testLease - renewInterval)
		if w.state(dead) == store.NodeDead || w.left(dead) < len(rooms) {
			t.Error("reaped before the lease was over")
		}
		time.Sleep(renewInterval + 4*time.Second)
		if n := w.left(dead); n > 0 {
			t.Errorf("%d rooms are not reaped", n)
		}
		if n := len(w.indexed(dead)); n > 0 || w.claimed(dead) {
			t.Errorf("%d entries are left before the second pass, claimed: %t", n, w.claimed(dead))
		}
		time.Sleep(secondPass + 2*renewInterval)
		if n := len(w.indexed(dead)); n > 0 || w.claimed(dead) || w.state(dead) != store.NodeDead {
			t.Errorf("%d entries are left in the end, claimed: %t", n, w.claimed(dead))
		}
		for _, room := range rooms {
			if n := p.times(room); n != 2 {
				t.Fatalf("%s was reaped %d times", room, n)
			}
		}
		calls := p.count()
		time.Sleep(time.Minute)
		if n := calls("NodeRooms", "Claim", "NodeDone"); n > 0 {
			t.Errorf("%d calls about a node that is done", n)
		}
	})
}

// count begins to count the calls of the store; the function says how many there were.
func (p *peer) count() func(methods ...string) int {
	calls := make(map[string]int)
	p.link.SetPlan(storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		calls[c.Method]++
		return f
	}})
	return func(methods ...string) (n int) {
		synctest.Wait()
		for _, m := range methods {
			n += calls[m]
		}
		return n
	}
}

// What the dead node wrote last arrives after its rooms were looked through: the second
// pass finds it, in a room that the first one saw and in one that it did not.
func TestTheSecondPassFindsALateWrite(t *testing.T) {
	for name, late := range map[string]string{"a known room": "r1", "a new room": "r2"} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				dead := w.all[0].die("r1")
				time.Sleep(7 * time.Second)
				if w.left(dead) > 0 {
					t.Fatal("there was no first pass")
				}
				if err := w.mem.AddRoom(w.ctx, store.NodeRoom{Node: dead, Room: late}); err != nil {
					t.Fatal(err)
				}
				w.put(dead, late)
				w.all[1].failing(func(string) error { return nil })
				time.Sleep(secondPass + 2*renewInterval)
				if n := len(w.indexed(dead)); n > 0 || w.left(dead) > 0 {
					t.Errorf("%d entries and %d rooms are left", n, w.left(dead))
				}
			})
		})
	}
}

// A node left nothing in the index when it died, and then a late write is indexed: it is
// found too. The claim is not held meanwhile.
func TestALateWriteOfANodeWithoutRooms(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		dead := w.all[0].die()
		time.Sleep(7 * time.Second)
		if w.state(dead) != store.NodeDead || w.claimed(dead) {
			t.Errorf("state %d, claimed: %t", w.state(dead), w.claimed(dead))
		}
		w.put(dead, "r")
		if err := w.mem.AddRoom(w.ctx, store.NodeRoom{Node: dead, Room: "r"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(secondPass + 2*renewInterval)
		if n := len(w.indexed(dead)); n > 0 || w.left(dead) > 0 || w.claimed(dead) {
			t.Errorf("%d entries and %d rooms are left, claimed: %t", n, w.left(dead), w.claimed(dead))
		}
	})
}

// Another node has the claim: this one waits until that ends.
func TestTheClaimOfAnotherNode(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		dead := w.all[0].die("r")
		for range 20 {
			if mine, err := w.mem.Claim(w.ctx, dead, "another"); err != nil || !mine {
				t.Fatal(mine, err)
			}
			time.Sleep(time.Second)
		}
		if n := w.all[1].times("r"); n > 0 || w.state(dead) != store.NodeDead {
			t.Errorf("reaped %d times without the claim", n)
		}
		time.Sleep(store.ClaimTime + renewInterval)
		if n := w.all[1].times("r"); n != 1 {
			t.Errorf("reaped %d times when the claim of the other node was over", n)
		}
	})
}

// A room takes longer to reap than a claim lasts: the claimant keeps the claim, and the
// other node does not do the same work, neither then nor between the passes.
func TestALongPassKeepsTheClaim(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		slow := func(string) error {
			time.Sleep(3 * store.ClaimTime)
			return nil
		}
		w.all[1].failing(slow)
		w.all[2].failing(slow)
		w.all[0].die("r")
		time.Sleep(testLease + 3*store.ClaimTime + secondPass + 3*renewInterval)
		a, b := w.all[1].times("r"), w.all[2].times("r")
		if a+b != 2 || a*b > 0 {
			t.Errorf("one node reaped the room %d times, the other one %d times", a, b)
		}
		time.Sleep(4 * store.ClaimTime) // neither ends in the middle of it
	})
}

// The claimant stands still in the middle of a pass, and another node goes on with that:
// it stops when it wakes.
func TestAClaimantThatStoodStillStops(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		rooms := roomNames(3 * roomsAhead)
		one, two := w.all[1], w.all[2]
		slow := func(string) error {
			time.Sleep(2 * time.Second)
			return nil
		}
		one.failing(slow)
		two.draining.Store(true)
		w.all[0].die(rooms...)
		time.Sleep(testLease + time.Second)
		two.draining.Store(false)
		two.failing(slow)
		one.link.Freeze()
		time.Sleep(7 * time.Second) // the other one is at it
		begun := one.reapings()
		one.link.Thaw()
		time.Sleep(20 * time.Second)
		if n := one.reapings() - begun; n > roomsAhead {
			t.Errorf("it began the work on %d rooms after it woke", n)
		}
		if n := two.reapings(); n < len(rooms) {
			t.Errorf("the other node reaped %d of %d rooms", n, len(rooms))
		}
	})
}

func (p *peer) reapings() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.reaped {
		n += times
	}
	return n
}

var errTest = errors.New("a fault of the test")

// One room fails, another one hangs: all others are reaped at once, and only what failed is
// tried again, until it succeeds.
func TestAFailingRoomHoldsUpNobody(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		p := w.all[1]
		rooms := roomNames(2 * roomsAhead)
		var broken atomic.Bool
		broken.Store(true)
		p.failing(func(room string) error {
			switch {
			case room == "r7":
				time.Sleep(7 * time.Second)
			case room == "r3" && broken.Load():
				return errTest
			}
			return nil
		})
		dead := w.all[0].die(rooms...)
		time.Sleep(testLease + 2*renewInterval)
		if n := w.left(dead); n != 2 {
			t.Errorf("%d rooms are not reaped", n)
		}
		time.Sleep(20 * time.Second)
		if n := w.left(dead); n != 1 || p.times("r3") < 10 || p.times("r7") != 1 || p.times("r8") != 1 {
			t.Errorf("%d rooms are left; reaped %d, %d and %d times", n, p.times("r3"), p.times("r7"), p.times("r8"))
		}
		if got := w.indexed(dead); len(got) != 1 || got[0] != "r3" {
			t.Errorf("%q are in the index while one room fails", got)
		}
		broken.Store(false)
		time.Sleep(secondPass + 10*time.Second)
		if w.left(dead) > 0 || len(w.indexed(dead)) > 0 || p.times("r8") != 2 {
			t.Errorf("%d rooms and %d entries are left", w.left(dead), len(w.indexed(dead)))
		}
	})
}

// A room fails: its entry stays until it succeeds.
func TestARoomThatFailsKeepsItsEntry(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		p := w.all[1]
		p.failing(func(room string) error {
			if room == "r1" {
				return errTest
			}
			return nil
		})
		dead := w.all[0].die("r1", "r2")
		time.Sleep(7 * time.Second)
		time.Sleep(secondPass + 5*time.Second)
		if got := w.indexed(dead); len(got) != 1 || got[0] != "r1" {
			t.Errorf("in the index: %q", got)
		}
		p.failing(nil)
		time.Sleep(secondPass + 5*time.Second)
		if got := w.indexed(dead); len(got) > 0 || w.claimed(dead) {
			t.Errorf("in the index: %q, claimed: %t", got, w.claimed(dead))
		}
	})
}

// Calls of the store fail once: the work goes on at the next life sign.
func TestReapingGoesOnAfterAFault(t *testing.T) {
	for _, method := range []string{"Claim", "NodeRooms", "RemoveRoom", "NodeDone"} {
		t.Run(method, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				w.all[1].link.SetPlan(failOnce(method))
				dead := w.all[0].die(roomNames(20)...)
				time.Sleep(testLease + 4*time.Second)
				if n := w.left(dead); n > 0 {
					t.Errorf("%d rooms are not reaped", n)
				}
				time.Sleep(secondPass + 10*time.Second)
				if len(w.indexed(dead)) > 0 || w.claimed(dead) {
					t.Errorf("%d entries are left, claimed: %t", len(w.indexed(dead)), w.claimed(dead))
				}
			})
		})
	}
}

// The store goes back to before a dead node was reaped, once that is done and in the middle
// of a pass: the node is looked through from the start.
func TestARecheckAfterADataLoss(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"done": 30 * time.Second, "between the passes": 12 * time.Second, "in the first pass": 6 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				p := w.all[1]
				p.failing(func(string) error {
					time.Sleep(3 * time.Second)
					return nil
				})
				dead := w.all[0].die("r")
				rewind := w.mem.SaveParts()
				time.Sleep(after)
				rewind(func(part string) bool { return part == "index" })
				w.put(dead, "r")
				p.Recheck()
				before := p.times("r")
				time.Sleep(30 * time.Second)
				if n := p.times("r") - before; n != 2 || w.left(dead) > 0 || len(w.indexed(dead)) > 0 {
					t.Errorf("reaped %d times after the loss; %d entries are left", n, len(w.indexed(dead)))
				}
			})
		})
	}
}

// A node that finds itself unknown knows that the store lost data, and looks again at dead
// nodes of which it knows that they are done.
func TestANodeThatIsUnknownChecksTheDeadAgain(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		p := w.all[1]
		dead := w.all[0].die("r")
		time.Sleep(30 * time.Second)
		if err := errors.Join(
			w.mem.AddRoom(w.ctx, store.NodeRoom{Node: dead, Room: "r"}),
			w.mem.Retire(w.ctx, p.ID()), // as if only its life sign were lost
		); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if got := p.told(); got != "data lost" || len(w.indexed(dead)) > 0 {
			t.Errorf("heard %q; %d entries are left", got, len(w.indexed(dead)))
		}
	})
}

// A drain waits for what is being reaped, and nothing begins after that: neither a room that
// was handed out nor a dead node that is named.
func TestADrainWaitsForTheReaping(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		p := w.all[1]
		slow := make(chan struct{})
		p.failing(func(string) error {
			<-slow
			return nil
		})
		if err := p.WaitIdle(w.ctx); err != nil {
			t.Error(err)
		}
		rooms := roomNames(2 * roomsAhead)
		w.all[0].die(rooms...)
		time.Sleep(7 * time.Second)
		p.draining.Store(true)
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if err := p.WaitIdle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while rooms are being reaped: %v", err)
		}
		calls := p.count()
		close(slow)
		if err := p.WaitIdle(w.ctx); err != nil {
			t.Error(err)
		}
		begun := p.reapings()
		if begun > roomsAhead {
			t.Errorf("%d rooms were begun, with a limit of %d", begun, roomsAhead)
		}
		time.Sleep(20 * time.Second)
		if n := p.reapings(); n != begun {
			t.Errorf("%d rooms were begun while the node drains", n-begun)
		}
		if n := calls("NodeRooms", "Claim"); n > 0 {
			t.Errorf("%d calls about dead nodes while the node drains", n)
		}
	})
}

// The work on a room whose turn comes when the time of its batch is over does not begin: the
// room failed. More than maxFailed rooms that failed are not remembered.
func TestABatchWhoseTimeIsOver(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		p := w.newPeer()
		p.queues = true
		ctx, cancel := context.WithCancel(w.ctx)
		b := newBatch(ctx, p.Node, 0)
		add := func(room string) {
			if !b.add("dead", room, false) {
				t.Error("a room was not taken")
			}
		}
		add("r1")
		add("r2")
		b.failed = make([]string, maxFailed-1)
		cancel()
		p.queue[0]()
		if n := len(b.failed); n != maxFailed || b.failed[n-1] != "r1" || p.reapings() > 0 {
			t.Errorf("%d failed, %d begun", n, p.reapings())
		}
		p.queue[1]()
		if failed, ok := b.wait(w.ctx); ok {
			t.Errorf("%d failed, and all are remembered", len(failed))
		}
	})
}

// The last thing that the store hears of a node: it is gone, with its entries in the index,
// or dead when something is left.
func TestSignOff(t *testing.T) {
	for name, c := range map[string]struct {
		left  bool
		plan  storetest.Plan
		state store.NodeState
		rooms int
	}{
		"nothing is left":         {false, storetest.Plan{}, store.NodeUnknown, 0},
		"something is left":       {true, storetest.Plan{}, store.NodeDead, 600},
		"the index is not read":   {false, failAlways("NodeRooms"), store.NodeDead, 600},
		"an entry is not removed": {false, failAlways("RemoveRoom"), store.NodeDead, 600},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				p := w.all[0]
				p.joins(roomNames(600)...)
				p.draining.Store(true)
				p.cancel()
				p.work.Wait()
				p.link.SetPlan(c.plan)
				if err := p.SignOff(w.ctx, c.left); err != nil {
					t.Error(err)
				}
				if state, rooms := w.state(p.ID()), len(w.indexed(p.ID())); state != c.state || rooms != c.rooms {
					t.Errorf("state %d with %d rooms, want %d with %d", state, rooms, c.state, c.rooms)
				}
			})
		})
	}
}
