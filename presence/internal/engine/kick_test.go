package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
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
			a := w.connect(w.nodes[0], "a")
			a.join("r", "ann", "")
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
