package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// A user is looked up while a join is in flight on another node: the join is found
// when it is done, and for as long as it stands.
func TestLookingUpAUserDoesNotUndoAJoin(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		l[0].SetPlan(storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
			if c.Method == "Put" {
				f.Kind, f.Delay = storetest.HangLate, 0
			}
			return f
		}})
		a.send("join", `{"roomId":"r","userId":"ann"}`)
		synctest.Wait() // the index has it, the room not yet
		if at, err := w.nodes[1].RoomsOf(w.t.Context(), "ann"); err != nil || len(at) != 0 {
			t.Errorf("before the join is done: %v, %v", at, err)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(5 * time.Second) // it is refused, and undone
		b := w.connect(w.nodes[0], "b")
		slow := make(chan struct{})
		l[0].SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
			if c.Method == "Put" {
				close(slow)
				if _, err := w.nodes[1].RoomsOf(context.Background(), "bob"); err != nil {
					t.Error(err)
				}
			}
			return storetest.Fault{}
		}})
		b.join("r", "bob", "")
		<-slow
		l[0].SetPlan(storetest.Plan{})
		w.rest(2 * time.Minute)
		at, err := w.nodes[1].RoomsOf(w.t.Context(), "bob")
		if err != nil || len(at) != 1 || at[0].ConnID != b.ID() {
			t.Errorf("two minutes later bob is at %v, %v", at, err)
		}
	})
}

// What only looks changes nothing in the store.
func TestReadsWriteNothing(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		stale := w.connect(w.nodes[0], "b")
		stale.join("s", "ann", "")
		synctest.Wait()
		before := mem.Keys()
		l[1].SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
			switch c.Method {
			case "Load", "LoadMembers", "UserMembers", "Subscribe", "Positions", "Beat", "NodeStates":
			default:
				t.Errorf("a read calls %s", c.Method)
			}
			return storetest.Fault{}
		}})
		for _, room := range []string{"r", "s", "nobody's"} {
			if _, err := w.nodes[1].Rooms.MembersOf(w.t.Context(), room); err != nil {
				t.Error(err)
			}
			sub, _, err := w.nodes[1].Rooms.Subscribe(w.t.Context(), room, func(wire.Event) {})
			if err != nil {
				t.Fatal(err)
			}
			w.rest(5 * time.Second)
			sub.Close()
		}
		for _, user := range []string{"ann", "nobody"} {
			if _, err := w.nodes[1].RoomsOf(w.t.Context(), user); err != nil {
				t.Error(err)
			}
		}
		if after := mem.Keys(); len(after) != len(before) {
			t.Errorf("the store had %q and has %q", before, after)
		}
		l[1].SetPlan(storetest.Plan{})
	})
}
