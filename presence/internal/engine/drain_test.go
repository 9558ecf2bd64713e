package engine

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// drain empties a node and marks it, as Close does, without ending it.
func (e *Engine) drain(ctx context.Context) error {
	left, err := e.DrainNode(ctx)
	if err == nil {
		err = e.Life.SignOff(ctx, left)
	}
	return err
}

// A drain that its context cuts short leaves no goroutine behind once the
// engine is closed.
func TestADrainCutShortEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		w := &world{t: t, store: st}
		e := w.addNode()
		for i := range 200 {
			w.connect(e, fmt.Sprint(i)).join("r", "u", "")
		}
		st.SetPlan(storetest.Plan{Call: func(storetest.Call) storetest.Fault { return storetest.Fault{Kind: storetest.Hang} }})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := e.drain(ctx); err == nil {
			t.Error("drained, though the store hangs")
		}
		ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.Shut(ctx); err != nil {
			t.Error(err)
		}
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// What connections that have just closed leave behind is waited for, however
// many they are: plain members leave as the shutdown's, resumable ones are in
// grace for it, and a node without any is no dead one.
func TestDrainWaitsForDepartures(t *testing.T) {
	for _, c := range []struct {
		name, grace string
		members     int
	}{
		{"few plain", "", core.LeavesAtOnce / 2},
		{"many plain", "", 3 * core.LeavesAtOnce},
		{"few resumable", `,"graceMs":30000`, core.LeavesAtOnce / 2},
		{"many resumable", `,"graceMs":30000`, 3 * core.LeavesAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSlowWorld(t, 2, func(w *world, st *slowStore) { drainDepartures(w, st, c.grace, c.members) })
		})
	}
}

func drainDepartures(w *world, st *slowStore, grace string, members int) {
	const rooms = core.LeavesAtOnce / 2
	t, e := w.t, w.nodes[0]
	b := w.connect(w.nodes[1], "b")
	var closing []*client
	for i := range members {
		if i < rooms {
			b.join(fmt.Sprint("r", i), "bob", "")
		}
		c := w.connect(e, fmt.Sprint("a", i))
		c.join(fmt.Sprint("r", i%rooms), "ann", grace)
		closing = append(closing, c)
	}
	b.heard()
	for _, method := range []string{"Remove", "Put", "ConnLeave"} {
		st.slow(method, 100*time.Millisecond, 0)
	}
	for _, c := range closing {
		c.end(store.ReasonShutdown, false)
	}
	if members <= core.LeavesAtOnce {
		synctest.Wait() // they are at the store; else they wait for their turn
	}
	if err := e.drain(t.Context()); err != nil {
		t.Error(err)
	}
	states, err := w.store.NodeStates(t.Context(), []string{e.Self()})
	if err != nil {
		t.Fatal(err)
	}
	e.close()
	left, stand, state := members, 1, store.NodeUnknown
	if grace != "" {
		left, stand, state = 0, 1+members/rooms, store.NodeDead
	}
	if n := strings.Count(b.heard(), "shutdown"); n != left {
		t.Errorf("%d left, want %d", n, left)
	}
	for i := range rooms {
		got := w.stored(fmt.Sprint("r", i))
		if len(got) != stand {
			t.Errorf("%d members stand, want %d", len(got), stand)
		} else if m := got[0]; grace != "" && (m.Lost != store.ReasonShutdown || m.UntilMs == 0) {
			t.Errorf("lost by %q, its grace ends at %d", m.Lost, m.UntilMs)
		}
	}
	if states[0] != state {
		t.Errorf("the node stands as %d, want %d", states[0], state)
	}
}

// A drain that cannot store what it has to leaves the node marked for others to
// find.
func TestDrainInDoubt(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		e := w.nodes[0]
		w.connect(e, "a").join("r", "ann", "")
		st.SetPlan(hang("Remove"))
		if err := e.drain(context.Background()); err != nil {
			t.Error(err)
		}
		states, err := w.store.NodeStates(t.Context(), []string{e.Self()})
		if err != nil || states[0] != store.NodeDead {
			t.Errorf("the node stands as %d, %v; its member still does", states[0], err)
		}
	})
}

// wholeStore is a store that stalls as a whole.
type wholeStore struct{ *storetest.Faulty }

func (wholeStore) Sharded() bool { return false }

// Connections that end while the store does not answer wait without a
// goroutine each.
func TestNoGoroutinesPileUp(t *testing.T) {
	t.Run("store that stalls as a whole", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
			runWorld(t, wholeStore{st}, 1, func(w *world) { pileUp(w, st, core.LeavesAtOnce) })
		})
	})
	t.Run("sharded store", func(t *testing.T) {
		inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) { pileUp(w, st, core.LeavesAtOnce+core.SlowLimit) })
	})
}

// pileUp has connections end while the store hangs, with pools that may have so many
// turns at once.
func pileUp(w *world, st *storetest.Faulty, turns int) {
	const rooms, members = 2 * core.SlowLimit, 4 * core.SlowLimit
	t, e := w.t, w.nodes[0]
	for i := range members {
		w.connect(e, fmt.Sprint(i)).join(fmt.Sprint("r", i%rooms), "u", "")
	}
	synctest.Wait()
	before := runtime.NumGoroutine()
	st.SetPlan(hang())
	for _, c := range w.clients {
		c.end(store.ReasonDisconnect, false)
	}
	most := 0
	for range 60 {
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		most = max(most, runtime.NumGoroutine()-before)
	}
	if most > 2*turns+16 { // the pools of departures and of mends, and what runs now and then
		t.Errorf("%d goroutines more for %d connections that ended", most, members)
	}
	st.SetPlan(storetest.Plan{})
	time.Sleep(5 * time.Second)
	for i := range rooms {
		if left := w.stored(fmt.Sprint("r", i)); len(left) > 0 {
			t.Fatalf("%d members stand 5 s after the store is back", len(left))
		}
	}
}

// A node that starts finds what another one has left behind.
func TestANodeStartsAfterADrainedOne(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":10000`)
		if err := w.nodes[0].drain(context.Background()); err != nil {
			t.Error(err)
		}
		w.crash(w.nodes[0])
		b := w.connect(w.addNode(), "b")
		b.join("r", "bob", "")
		w.rest(12 * time.Second)
		want(t, "away, then gone", b.heard(), "join bob@r {}\nupdate ann@r {} away\nleave ann@r shutdown")
		w.agree("r")
	})
}

// A connection that closes at the very moment of the drain is no exception.
func TestDrainRacesWithACloseOfItsOwn(t *testing.T) {
	for range 300 {
		inSlowWorld(t, 1, func(w *world, st *slowStore) {
			e := w.nodes[0]
			c := w.connect(e, "a")
			c.join("r", "ann", "")
			st.slow("Remove", time.Millisecond, 0)
			var closing sync.WaitGroup
			closing.Go(func() { c.end(store.ReasonShutdown, false) })
			if err := e.drain(w.t.Context()); err != nil {
				t.Error(err)
			}
			closing.Wait()
			e.close()
			if left := w.stored("r"); len(left) > 0 {
				t.Errorf("%d members stand", len(left))
			}
		})
		if t.Failed() {
			return
		}
	}
}

// What a server could not write when it was to leave is written before its drain is over.
func TestADrainWritesWhatIsInDoubt(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[0].Kill()
		w.crash(w.nodes[0])
		l[1].SetPlan(failing("RemoveUser"))
		if n, err := w.nodes[1].Kick(w.t.Context(), KickTarget{RoomID: "r", ConnID: "sock-a"}); n != 1 || err != nil {
			w.t.Fatalf("removed %d, %v", n, err)
		}
		w.rest(core.RetryInterval / 2) // between two tries
		l[1].SetPlan(storetest.Plan{})
		if err := w.nodes[1].drain(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.userIsIn(mem, "ann", 0)
	})
}

// lateRooms is a store that loses the connection when a room is added to a node's index. The room is
// added half a second later.
type lateRooms struct{ store.Store }

func (s *lateRooms) AddRoom(ctx context.Context, n store.NodeRoom) error {
	time.AfterFunc(500*time.Millisecond, func() { _ = s.Store.AddRoom(context.WithoutCancel(ctx), n) })
	return store.ErrUnavailable
}

// A node stops while a room may still be added to its index: another node removes that.
func TestARoomThatComesAfterTheEndOfItsNode(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, _ links) {
		e := w.startOn(&lateRooms{mem})
		w.steady()
		joined := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
		if ack := w.connect(e, "b").join("r", "ann", token(joined)); ack.OK {
			t.Fatalf("resumed without an entry of the room: %+v", ack)
		}
		left, err := e.DrainNode(w.t.Context())
		if err == nil {
			err = e.Deregister(w.t.Context(), left)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.rest(30 * time.Second)
		w.indexHas(e, "at last")
	})
}
