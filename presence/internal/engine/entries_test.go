package engine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// failing has calls of a method fail.
func failing(method string) storetest.Plan {
	return storetest.Plan{Call: func(q storetest.Call) (f storetest.Fault) {
		if q.Method == method {
			f.Kind = storetest.FailBefore
		}
		return f
	}}
}

// part says which part of the store goes back.
func part(name string) func(string) bool { return func(p string) bool { return p == name } }

func nodesChannel(room string) bool { return room == "" }

// The store loses the record of a connection, and the node hears of that or not: the record
// is written again, at once or when it is renewed.
func TestALostConnectionIsWrittenAgain(t *testing.T) {
	for name, c := range map[string]struct {
		heard bool
		after time.Duration
	}{"at once": {true, core.MaxJitter + 100*time.Millisecond}, "in time": {false, testSettings.TTL/3 + time.Second}} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
				lose := mem.SaveParts()
				w.connect(w.nodes[0], "a").join("r", "ann", "")
				w.rest(time.Second)
				lose(part("conns"))
				if c.heard {
					l[0].InterruptSome(true, nodesChannel)
				}
				w.rest(c.after)
				if fields, _ := mem.ConnRecord("sock-a"); fields["room_id"] != "r" {
					t.Errorf("record: %v", fields)
				}
			})
		})
	}
}

// A socket leaves for a while, and the store is slow to note that. Meanwhile another socket
// of the node resumes the member: the record of the connection is that one's now.
func TestALeaveLeavesTheConnectionOfAResume(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		first := a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(once("Put", storetest.Hang))
		left := a.send("leave", `{"graceMs":30000}`)
		w.rest(100 * time.Millisecond)
		if ack := b.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		left.wait()
		w.rest(3 * time.Second)
		if fields, _ := mem.ConnRecord("sock-a"); fields["room_id"] != "r" {
			t.Errorf("record: %v", fields)
		}
	})
}

// The store loses data again while the node still repeats what the first loss made
// necessary: it repeats that once more.
func TestALossDuringTheRepeating(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		lose := mem.SaveParts()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[0].SetPlan(failing("NodeRooms"))
		l[0].InterruptSome(true, nodesChannel)
		w.rest(2 * time.Second)
		lose(part("conns"))
		l[0].InterruptSome(true, nodesChannel)
		w.rest(time.Second)
		l[0].SetPlan(storetest.Plan{})
		w.rest(core.RetryInterval + core.MaxJitter + 100*time.Millisecond)
		if fields, _ := mem.ConnRecord("sock-a"); fields["room_id"] != "r" {
			t.Errorf("record: %v", fields)
		}
	})
}

// The store loses the index of rooms, and does not answer when the node looks at it first.
func TestALostIndexIsWrittenWhenTheStoreAnswers(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		lose := mem.SaveParts()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[0].SetPlan(once("NodeRooms", storetest.FailBefore))
		lose(part("index"))
		l[0].InterruptSome(true, nodesChannel)
		w.rest(3 * time.Second)
		w.indexHas(w.nodes[0], "after a loss", "r")
	})
}

// A member leaves, and the store forgets what that did to the index of users and to the
// connection, but not that the member is gone.
func TestEntriesThatAreBackWithoutTheirMember(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		lose := mem.SaveParts()
		a.send("leave", `{}`).wait()
		lose(func(p string) bool { return p != "room:r" })
		l[0].Interrupt(true)
		w.rest(3 * time.Second)
		w.userIsIn(mem, "ann", 0)
		if fields, _ := mem.ConnRecord("sock-a"); fields != nil {
			t.Errorf("record: %v", fields)
		}
	})
}

// A member moved to another node, and left there. That node stops, and the store goes back
// to when the first node had the member. Nobody knows of the leave, and the room is not
// open any more where the member stands: it is found when the room's entry goes.
func TestAMemberThatIsBackInAClosedRoom(t *testing.T) {
	for name, index := range map[string]bool{"with the entry": true, "and the node forgot the room": false} {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
				first := a.join("r", "ann", `,"graceMs":5000`)
				lose := mem.SaveParts()
				b.join("r", "ann", token(first))
				a.end(store.ReasonDisconnect, false)
				w.rest(time.Second)
				b.send("leave", `{}`).wait()
				if !index {
					w.rest(node.IndexKeeps + 2*node.IndexSweep)
				}
				if err := w.nodes[1].drain(w.t.Context()); err != nil {
					w.t.Fatal(err)
				}
				w.crash(w.nodes[1])
				w.nodes = w.nodes[:1]
				lose(func(p string) bool { return p == "room:r" || p == "index" && !index })
				l[0].Interrupt(true)
				w.rest(30 * time.Second)
				if left := w.usersIn("r"); len(left) > 0 {
					t.Errorf("ghosts: %q", left)
				}
			})
		})
	}
}

// dated is a store that notes which writes say neither until when they count nor where
// their room stood.
type dated struct {
	store.Store
	t  *testing.T
	mu sync.Mutex
	of map[string]int // how many there were of each
}

func (s *dated) see(method string, expiresMs int64) {
	left := time.Until(time.UnixMilli(expiresMs))
	if left <= 0 || left > testSettings.StoreTimeout {
		s.t.Errorf("%s counts for %v", method, left)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[method]++
}

func (s *dated) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	s.see("StartPut", p.ExpiresMs)
	if p.Fence > 0 && p.From.Born == "" {
		s.t.Errorf("a put of %s does not say where the room stood", p.Member.ConnID)
	}
	s.Store.StartPut(ctx, p, w)
}

func (s *dated) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	s.see("Enter", q.ExpiresMs)
	return store.Steps(ctx, s, q)
}

func (s *dated) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	s.see("Remove", r.ExpiresMs)
	return s.Store.Remove(ctx, r)
}

func (s *dated) AddRoom(ctx context.Context, n store.NodeRoom) error {
	s.see("AddRoom", n.ExpiresMs)
	return s.Store.AddRoom(ctx, n)
}

func (s *dated) RemoveRoom(ctx context.Context, n store.NodeRoom) error {
	s.see("RemoveRoom", n.ExpiresMs)
	return s.Store.RemoveRoom(ctx, n)
}

func (s *dated) AddUser(ctx context.Context, u store.UserEntry) error {
	s.see("AddUser", u.ExpiresMs)
	return s.Store.AddUser(ctx, u)
}

func (s *dated) RemoveUser(ctx context.Context, u store.UserEntry) error {
	s.see("RemoveUser", u.ExpiresMs)
	return s.Store.RemoveUser(ctx, u)
}

func (s *dated) ConnJoin(ctx context.Context, c store.Conn) error {
	s.see("ConnJoin", c.ExpiresMs)
	return s.Store.ConnJoin(ctx, c)
}

func (s *dated) ConnLeave(ctx context.Context, c store.Conn) error {
	s.see("ConnLeave", c.ExpiresMs)
	return s.Store.ConnLeave(ctx, c)
}

// Whatever a node writes says until when it counts: nothing takes effect after its caller
// gave up. What it writes of a member says where the room stood.
func TestEveryWriteExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		st := &dated{Store: mem, t: t, of: make(map[string]int)}
		runWorld(t, st, 1, func(w *world) {
			a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
			a.join("r", "ann", `,"graceMs":60000`)
			b.join("r", "bob", "")
			a.patch(`{"n":1}`)
			a.join("r", "ann", `,"graceMs":3000`)
			a.end(store.ReasonDisconnect, false)
			w.rest(5 * time.Second)
			mem.Wipe()
			b.patch(`{"n":1}`)
			w.rest(5 * time.Second)
			b.send("leave", `{}`).wait()
			w.rest(node.IndexKeeps + 2*node.IndexSweep)
			w.connect(w.nodes[0], "c").join("r", "cat", "")
			for _, method := range []string{"StartPut", "Enter", "Remove", "AddRoom", "RemoveRoom", "AddUser", "RemoveUser", "ConnJoin", "ConnLeave"} {
				if st.of[method] == 0 {
					t.Errorf("no %s", method)
				}
			}
		})
	})
}

// A socket leaves for a while, and the store is slow to note that. Meanwhile a socket of another
// node resumes the member, and loses its connection: the member has the grace of that one.
func TestALeaveThatAResumeOvertakesBeginsNoGrace(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		first := a.join("r", "ann", `,"graceMs":60000`)
		l[0].SetPlan(once("Put", storetest.Hang))
		left := a.send("leave", `{"graceMs":5000}`)
		w.rest(100 * time.Millisecond)
		if ack := b.join("r", "ann", `,"graceMs":60000`+token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		left.wait()
		b.end(store.ReasonDisconnect, false)
		w.rest(20 * time.Second)
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand", n)
		}
	})
}

// A member leaves just before the record of its connection is renewed. The record is missing then,
// and it stays so.
func TestTheRecordOfAConnectionThatHasLeftIsNotRenewed(t *testing.T) {
	inLinkedWorld(t, 0, func(w *world, mem *memstore.Store, _ links) {
		st := slowOver(mem)
		e := w.startOn(st)
		lose := mem.SaveParts()
		w.connect(e, "a").join("first", "ann", "")
		b := w.connect(e, "b")
		b.join("second", "bob", "")
		lose(part("conns"))
		st.slow("ConnJoin", time.Second, 0)
		var refresh sync.WaitGroup
		refresh.Go(e.refreshConns)
		synctest.Wait() // a's record is being written
		b.send("leave", `{}`).wait()
		refresh.Wait()
		for conn, want := range map[string]bool{"sock-a": true, "sock-b": false} {
			if fields, _ := mem.ConnRecord(conn); (fields != nil) != want {
				t.Errorf("record of %s: %v", conn, fields)
			}
		}
	})
}
