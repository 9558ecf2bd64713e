package engine

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// fencedRemove answers one removal with Fenced, and then carries it out: as if another
// node had written the member before it, and removed it after it.
type fencedRemove struct {
	store.Store
	armed atomic.Bool
}

func (s *fencedRemove) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	outcome, err := s.Store.Remove(ctx, r)
	if s.armed.CompareAndSwap(true, false) {
		return store.Fenced, err
	}
	return outcome, err
}

// A leave meets a member that another node writes and then removes: what there is of its
// connection goes, too.
func TestALeaveThatIsFencedByAnotherRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New(memstore.Options{})
		st := &fencedRemove{Store: mem}
		runWorld(t, st, 1, func(w *world) {
			a := w.connect(w.nodes[0], "a")
			a.join("r", "ann", "")
			st.armed.Store(true)
			a.send("leave", `{}`).wait()
			w.rest(time.Second)
			for _, key := range mem.Keys() {
				if strings.Contains(key, "sock-a") {
					t.Errorf("left behind: %s", key)
				}
			}
		})
	})
}
