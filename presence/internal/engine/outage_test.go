package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// stalled is a master that does not answer: all calls about rooms of a prefix hang.
func stalled(prefix string) storetest.Plan {
	return storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		if strings.HasPrefix(c.Room, prefix) {
			f.Kind = storetest.Hang
		}
		return f
	}}
}

// Many leave rooms on a master that has stalled: who leaves a room elsewhere is
// gone at once all the same.
func TestAStalledMasterDoesNotHoldUpOtherRooms(t *testing.T) {
	for _, c := range []struct {
		name          string
		open, members int
		grace         string
	}{
		{"many rooms", 512, 512, ""},
		{"one room", 1, 256, ""},
		{"members with a grace", 512, 512, `,"graceMs":3000`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
				e := w.nodes[0]
				watcher, victim := w.connect(e, "watcher"), w.connect(e, "victim")
				watcher.join("v", "wat", "")
				victim.join("v", "vic", "")
				var others []*client
				for i := range c.members {
					x := w.connect(e, fmt.Sprint("x", i))
					x.watch = nil
					x.join(fmt.Sprint("r", i%c.open), "u", c.grace)
					others = append(others, x)
				}
				watcher.heard()
				st.SetPlan(stalled("r"))
				for _, x := range others {
					x.end(store.ReasonDisconnect, false)
				}
				if c.grace != "" {
					w.rest(3*time.Second + time.Millisecond) // away is stored, and then the end
				}
				victim.end(store.ReasonDisconnect, false)
				w.rest(300 * time.Millisecond)
				want(t, "300 ms after the victim's end the watcher", watcher.heard(), "leave vic@v disconnect")
				st.SetPlan(storetest.Plan{})
				w.rest(10 * time.Second)
				for i := range c.open {
					if n := len(w.stored(fmt.Sprint("r", i))); n > 0 {
						t.Fatalf("%d members stand 10 s after the master is back", n)
					}
				}
			})
		})
	}
}

// Decisions of the application that take their time hold up nobody else's leave.
func TestAHangingAuthorizeDoesNotHoldUpLeaves(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		watcher, victim := w.connect(e, "watcher"), w.connect(e, "victim")
		watcher.join("v", "wat", "")
		victim.join("v", "vic", "")
		watcher.heard()
		hangs := func(ctx context.Context, _ wire.JoinRequest) error {
			<-ctx.Done()
			return ctx.Err()
		}
		for i := range 2 * core.SlowLimit {
			x := w.connect(e, fmt.Sprint("x", i))
			x.sock.Join([]byte(`{"roomId":"r","userId":"u"}`), hangs, ackFunc(func([]byte) {}))
			x.end(store.ReasonDisconnect, false)
		}
		synctest.Wait()
		victim.end(store.ReasonDisconnect, false)
		want(t, "at once, the watcher", watcher.heard(), "leave vic@v disconnect")
	})
}

// A room is read again although many others cannot be.
func TestAStalledMasterDoesNotHoldUpLoads(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		e := w.nodes[0]
		a := w.connect(e, "a")
		a.join("v", "ann", "")
		for i := range 8 * rooms.LoadsAtOnce {
			w.connect(e, fmt.Sprint("x", i)).join(fmt.Sprint("r", i), "u", "")
		}
		a.heard()
		plan := stalled("r")
		plan.Deliver = deaf().Deliver
		st.SetPlan(plan)
		for _, r := range e.Rooms.All() {
			if r.ID != "v" {
				r.Mu.Lock()
				r.Resync()
				r.Mu.Unlock()
			}
		}
		w.rest(100 * time.Millisecond)
		b := w.connect(e, "b")
		if d := b.send("join", `{"roomId":"v","userId":"bob"}`).took(); d > time.Second {
			t.Errorf("a join whose event was lost took %v", d)
		}
		want(t, "a", a.heard(), "join bob@v {}")
		st.SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
	})
}

// The members of a dead node leave although many others of its rooms do not answer.
func TestAStalledMasterDoesNotHoldUpTheReaping(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		watcher := w.connect(w.nodes[1], "watcher")
		watcher.join("v", "wat", "")
		for i := range 1024 {
			w.connect(w.nodes[0], fmt.Sprint("x", i)).join(fmt.Sprint("r", i), "u", "")
		}
		w.connect(w.nodes[0], "victim").join("v", "vic", "")
		watcher.heard()
		l[1].SetPlan(stalled("r"))
		w.crash(w.nodes[0])
		w.rest(25 * time.Second)
		want(t, "the watcher", watcher.heard(), "leave vic@v node_lost")
		l[1].SetPlan(storetest.Plan{})
		w.rest(20 * time.Second)
	})
}

// Clients come and go while writes are answered by nobody: what is in doubt is
// bounded, and all is well when the store is back.
func TestDoubtsAreBounded(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		e := w.nodes[0]
		a := w.connect(e, "a")
		a.join("r", "ann", "")
		st.SetPlan(hang("Put", "Remove"))
		const clients = 2 * core.MaxRoomInDoubt
		for i := range clients {
			x := w.connect(e, fmt.Sprint("x", i))
			x.send("join", fmt.Sprintf(`{"roomId":"r","userId":"u%d"}`, i))
			if i%256 == 0 {
				w.rest(3 * time.Second)
			}
			x.end(store.ReasonDisconnect, false)
		}
		w.rest(3 * time.Second)
		if n := len(e.Retries.Waiting()); n > core.MaxRoomInDoubt+300 { // and those that were under way
			t.Errorf("%d writes in doubt of %d clients", n, clients)
		}
		st.SetPlan(storetest.Plan{})
		w.rest(20 * time.Second)
		w.agree("r")
		if all := e.Retries.Len(); all != 0 {
			t.Errorf("%d are counted as in doubt when all is settled", all)
		}
		if ack := w.connect(e, "b").join("r", "bob", ""); !ack.OK {
			t.Errorf("a join when all is settled: %+v", ack)
		}
	})
}

// A room that cannot be loaded again holds back no more events than it may, and
// shows in the end what became of it.
func TestEventsOfARoomThatCannotBeLoadedAreBounded(t *testing.T) {
	inFaultyWorld(t, 2, func(w *world, st *storetest.Faulty) {
		a, b, c := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[1], "c")
		a.join("r", "ann", "")
		b.join("r", "bob", "")
		c.join("r", "cat", "")
		a.heard()
		st.SetPlan(hang("Load"))
		r := w.nodes[0].Owned.Of("r")
		r.HandleInterrupt("r", false)
		w.rest(2 * time.Second)
		c.send("leave", `{}`).wait()
		blob := strings.Repeat("x", 8<<10)
		for i := range 2 * rooms.MaxBuffered {
			b.patch(fmt.Sprintf(`{"n":%d,"blob":%q}`, i, blob))
		}
		r.Mu.Lock()
		held, bytes := len(r.Buffered.Events), r.Buffered.Bytes
		r.Mu.Unlock()
		if held > rooms.MaxBuffered || bytes > 2*rooms.MaxBufferedBytes {
			t.Errorf("%d events of %d bytes are held back", held, bytes)
		}
		st.SetPlan(storetest.Plan{})
		w.rest(10 * time.Second)
		if got := a.heard(); !strings.Contains(got, "leave cat@r leave") || !strings.Contains(got, fmt.Sprint(`"n":`, 2*rooms.MaxBuffered-1)) {
			t.Errorf("a heard %.300s", got)
		}
		w.agree("r")
	})
}

// Who left is remembered for a while, not for as long as nobody else leaves, and
// not with all that was said together with it.
func TestWhoLeftIsForgotten(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		for i := range 200 {
			a := w.connect(w.nodes[i%2], fmt.Sprint("a", i))
			a.join("r", "ann", "")
			a.end(store.ReasonDisconnect, true)
		}
		w.rest(3 * replica.TombstoneTime)
		for i, e := range w.nodes {
			n := e.Tombstones.Len()
			if n > 0 {
				t.Errorf("node %d remembers %d departures three minutes later", i, n)
			}
		}
	})
}

// refreshed counts how many connections a call refreshes.
type refreshed struct {
	store.Store
	mu    sync.Mutex
	most  int
	calls int
	down  bool
}

func (s *refreshed) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	s.mu.Lock()
	s.most, s.calls = max(s.most, len(seen)), s.calls+1
	down := s.down
	s.mu.Unlock()
	missing, err := s.Store.ConnRefresh(ctx, node, seen)
	if down {
		for _, c := range seen {
			missing = append(missing, c.ConnID)
		}
	}
	return missing, err
}

func (s *refreshed) ConnJoin(ctx context.Context, c store.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return store.ErrUnavailable
	}
	return s.Store.ConnJoin(ctx, c)
}

// A refresh that cannot write lost records again goes on in batches.
func TestRefreshGoesOnInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &refreshed{Store: memstore.New(memstore.Options{})}
		runWorld(t, st, 1, func(w *world) {
			for i := range 4 * refreshBatch {
				w.connect(w.nodes[0], fmt.Sprint("a", i)).join(fmt.Sprint("r", i%64), "u", "")
			}
			st.mu.Lock()
			st.down = true
			st.mu.Unlock()
			w.nodes[0].refreshConns()
			st.mu.Lock()
			st.down = false
			if st.most > refreshBatch || st.calls != 4 {
				t.Errorf("%d calls for up to %d connections each, want 4 for %d", st.calls, st.most, refreshBatch)
			}
			st.mu.Unlock()
		})
	})
}

// While a room shows members that the store does not have, it counts the connections of
// users by itself.
func TestUsersAreCountedInALoss(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		const members = 64 // more than are counted at each event
		var all []*client
		for i := range members {
			c := w.connect(w.nodes[i%2], fmt.Sprint("a", i))
			c.join("r", fmt.Sprint("u", i%8), "")
			all = append(all, c)
		}
		rewind := mem.Save()
		all[0].send("leave", `{}`).wait()
		all[1].patch(`{"n":1}`)
		l.failover(rewind)
		w.rest(5 * time.Second)
		all[2].send("leave", `{}`).wait() // clients compare userConns with their maps
		w.rest(3 * replica.RebuildTime)
		for i, e := range w.nodes {
			if r := e.Owned.Of("r"); r.Rep.State() != replica.Current {
				t.Errorf("node %d: the room is %v", i, r.Rep.State())
			}
		}
		all[3].send("leave", `{}`).wait()
		w.agree("r")
	})
}
