package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// lateRemoves carries out so many removals too late.
type lateRemoves struct {
	store.Store
	left atomic.Int32
}

func (s *lateRemoves) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	if s.left.Add(-1) >= 0 {
		time.Sleep(testSettings.StoreTimeout + time.Second)
	}
	return s.Store.Remove(ctx, r)
}

// A removal that comes too late to be carried out is repeated while the
// context lasts; after that Kick does not say that there was nobody.
func TestKickThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &lateRemoves{Store: memstore.New(memstore.Options{})}
		runWorld(t, st, 1, func(w *world) {
			w.connect(w.nodes[0], "a").join("r", "ann", "")
			kick := func() (int, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return w.nodes[0].Kick(ctx, KickTarget{RoomID: "r", UserID: "ann"})
			}
			st.left.Store(100)
			if n, err := kick(); n != 0 || !errors.Is(err, store.ErrUnavailable) || len(w.stored("r")) != 1 {
				t.Errorf("always too late: removed %d, %v, and %d stand", n, err, len(w.stored("r")))
			}
			st.left.Store(2)
			if n, err := kick(); n != 1 || err != nil || len(w.stored("r")) != 0 {
				t.Errorf("twice too late: removed %d, %v, and %d stand", n, err, len(w.stored("r")))
			}
		})
	})
}

// The owner of the only member of a room does not hear of its kick, and takes the room for
// lost. The kick wins.
func TestAKickThatIsNotHeardIsRepeated(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		l[0].SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery { return storetest.Delivery{Drop: true} }})
		if n, err := w.nodes[1].Kick(t.Context(), KickTarget{RoomID: "r", ConnID: "sock-a"}); n != 1 || err != nil {
			t.Fatalf("removed %d, %v", n, err)
		}
		l[0].SetPlan(storetest.Plan{})
		w.rest(rooms.IdleAfter + 2*time.Second)
		if len(w.stored("r")) == 0 {
			t.Fatal("the owner found out by itself: this test shows nothing")
		}
		w.rest(kickAgain)
		if n := len(w.stored("r")); n != 0 {
			t.Errorf("%d members stand", n)
		}
		if len(a.view("r")) != 0 {
			t.Errorf("the kicked one sees %v", a.view("r"))
		}
	})
}

// nothingOf checks that the store has no entry of a user, and nothing of its connection.
func nothingOf(w *world, mem *memstore.Store, user, connID string) {
	w.t.Helper()
	w.userIsIn(mem, user, 0)
	if fields, _ := mem.ConnRecord(connID); fields != nil {
		w.t.Errorf("record: %v", fields)
	}
}

// A server kicks a member of another one, and gets no further than its room. The owner removes
// the rest.
func TestTheOwnerFinishesAKick(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[1].SetPlan(failing("RemoveUser"))
		if n, err := w.nodes[1].Kick(w.t.Context(), KickTarget{RoomID: "r", ConnID: "sock-a"}); n != 1 || err != nil {
			w.t.Fatalf("removed %d, %v", n, err)
		}
		w.rest(time.Second)
		nothingOf(w, mem, "ann", "sock-a")
	})
}

// A kick has no answer, and nobody is left who owned the member: the server that kicked it removes
// the rest.
func TestAKickWithoutAnAnswerIsFinished(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		w.connect(w.nodes[0], "a").join("r", "ann", "")
		l[0].Kill()
		w.crash(w.nodes[0])
		l[1].SetPlan(once("Remove", storetest.FailAfter))
		if _, err := w.nodes[1].Kick(w.t.Context(), KickTarget{RoomID: "r", ConnID: "sock-a"}); err == nil {
			w.t.Fatal("the kick had an answer")
		}
		w.rest(30 * time.Second)
		w.userIsIn(mem, "ann", 0)
	})
}
