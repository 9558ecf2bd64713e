package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// indexHas fails unless the store has these rooms as those of a node.
func (w *world) indexHas(e *Engine, when string, want ...string) {
	w.t.Helper()
	rooms, next, err := w.store.NodeRooms(w.t.Context(), e.Self(), "", 100)
	slices.Sort(rooms)
	if err != nil || next != "" || !slices.Equal(rooms, want) {
		w.t.Errorf("%s: the node's rooms are %q, %v, want %q", when, rooms, err, want)
	}
}

// A node adds a room to its index once, before its first member there, and again after
// the entry was removed or may be missing.
func TestTheFirstJoinOfANodeAddsTheRoom(t *testing.T) {
	inFaultyWorld(t, 2, func(w *world, st *storetest.Faulty) {
		var calls []string
		plan := func(fails string) { // its first call, that is
			failed := false
			calls = nil
			st.SetPlan(storetest.Plan{Call: func(c storetest.Call) (fault storetest.Fault) {
				if c.Method == fails && !failed {
					failed, fault.Kind = true, storetest.FailBefore
				}
				if c.Method == "AddRoom" || c.Method == "Put" {
					calls = append(calls, c.Method)
				}
				return fault
			}})
		}
		plan("")
		did := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(calls, " "); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
			plan("")
		}
		near, far := w.nodes[0], w.nodes[1]
		a, b := w.connect(near, "a"), w.connect(near, "b")
		a.join("r", "ann", "")
		did("the first of the node", "AddRoom Put")
		b.join("r", "bob", "")
		did("the second", "Put")
		w.connect(far, "c").join("r", "cat", "")
		did("the first of another node", "AddRoom Put")

		a.send("leave", `{}`).wait()
		b.send("leave", `{}`).wait()
		w.indexHas(near, "just after the last left", "r")
		w.rest(node.IndexKeeps + 2*node.IndexSweep)
		w.indexHas(near, "long after the last left")
		w.indexHas(far, "where one stays", "r")
		plan("")
		a.join("r", "ann", "")
		did("one who comes back", "AddRoom Put")

		d := w.connect(near, "d")
		for _, step := range []string{"AddRoom", "Put", "AddUser", "ConnJoin"} {
			plan(step)
			if ack := d.join("s", "dan", ""); ack.OK {
				t.Errorf("a join was accepted whose %s failed", step)
			}
			w.rest(5 * time.Second) // what it left is undone
			plan("")
			if ack := d.join("s", "dan", ""); !ack.OK {
				t.Errorf("the join after that: %+v", ack)
			}
			did("the join after one whose "+step+" failed", "AddRoom Put")
			d.send("leave", `{}`).wait()
			w.rest(node.IndexKeeps + 2*node.IndexSweep)
		}
	})
}

// wholeEnter is a store that adds rooms only as a part of Enter.
type wholeEnter struct{ store.Store }

func (wholeEnter) AddRoom(context.Context, store.NodeRoom) error { return store.ErrUnavailable }

// Where a store enters a member in one step, a first join costs no other.
func TestAFirstJoinIsOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runWorld(t, wholeEnter{memstore.New(memstore.Options{})}, 1, func(w *world) {
			if ack := w.connect(w.nodes[0], "a").join("r", "ann", ""); !ack.OK {
				t.Errorf("join: %+v", ack)
			}
			w.indexHas(w.nodes[0], "after a join", "r")
		})
	})
}

// slowRemoval is a store that takes its time to remove rooms of nodes.
type slowRemoval struct {
	store.Store
	takes, firstTakes time.Duration
	lost              bool // the connection breaks during the first
	begun             chan struct{}
}

func (s *slowRemoval) RemoveRoom(ctx context.Context, n store.NodeRoom) error {
	takes, first := s.takes, false
	select {
	case s.begun <- struct{}{}:
		takes, first = s.firstTakes, true
	default:
	}
	remove := func() error {
		time.Sleep(takes)
		return s.Store.RemoveRoom(context.WithoutCancel(ctx), n)
	}
	if first && s.lost {
		go func() { _ = remove() }()
		return store.ErrUnavailable
	}
	return remove()
}

// A client comes into a room whose entry is being removed, or whose removal was not
// answered and may still take effect, although another one was answered meanwhile: the
// entry stands when the join is answered, and stays.
func TestAJoinDuringTheRemovalOfItsRoom(t *testing.T) {
	for _, limit := range []time.Duration{testSettings.StoreTimeout, 3 * node.IndexSweep} {
		for _, lost := range []bool{false, true} {
			for _, after := range []time.Duration{0, limit / 8, limit / 2, limit - 2*time.Millisecond, limit} {
				synctest.Test(t, func(t *testing.T) { joinDuringRemoval(t, limit, lost, after) })
			}
		}
	}
}

func joinDuringRemoval(t *testing.T, limit time.Duration, lost bool, after time.Duration) {
	st := &slowRemoval{memstore.New(memstore.Options{}), limit / 8, limit / 4, lost, make(chan struct{}, 1)}
	if lost {
		st.firstTakes = limit
	}
	s := testSettings
	s.StoreTimeout = limit
	runWorld(t, st, 0, func(w *world) {
		e, err := newEngine(t.Context(), s, st, clock.System{}, func(event []byte, _ series.Change) rooms.Frame { return textFrame(event) })
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, e)
		a := w.connect(e, "a")
		a.join("r", "ann", "")
		a.send("leave", `{}`).wait()
		for len(st.begun) == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(after)
		refused := 0
		for ; !a.join("r", "ann", "").OK; time.Sleep(50 * time.Millisecond) {
			refused++
		}
		if refused > 0 && !lost {
			t.Errorf("%v into a removal a join was refused", after)
		}
		w.indexHas(e, "after the join", "r")
		w.rest(2 * node.IndexKeeps)
		w.indexHas(e, "later", "r")
	})
}

// The store loses what a first join has just written, before the join has its answer: the
// room is in the index again soon.
func TestALossOfTheIndexDuringAFirstJoin(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		w.steady()
		rewind := mem.SaveParts()
		st.slow("ConnJoin", 0, 100*time.Millisecond)
		joined := w.connect(e, "a").send("join", `{"roomId":"r","userId":"ann"}`)
		time.Sleep(100*time.Millisecond - time.Microsecond)
		l.failover(func() { rewind(func(part string) bool { return part == "index" }) })
		synctest.Wait()
		w.indexHas(e, "after the loss")
		if ack := joined.wait(); !ack.OK {
			t.Errorf("join: %+v", ack)
		}
		w.rest(5 * time.Second)
		w.indexHas(e, "some time later", "r")
	})
}

// The store has an entry back of a room that is just being opened: it is not removed
// while somebody is there.
func TestAnEntryThatIsBackWhileItsRoomIsOpened(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		r, err := e.Owned.Acquire(w.t.Context(), "r")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.AddRoom(w.t.Context(), store.NodeRoom{Node: e.Self(), Room: "r"}); err != nil {
			t.Fatal(err)
		}
		if err := e.Index.Repair(e.Ctx); err != nil {
			t.Fatal(err)
		}
		w.connect(e, "a").join("r", "ann", "")
		r.Release()
		w.rest(2 * node.IndexKeeps)
		w.indexHas(e, "while a member is there", "r")
	})
}
