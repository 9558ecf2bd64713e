package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// moveElsewhere gives the only member of room r to another node, and returns it as it is then.
func (w *world) moveElsewhere(ctx context.Context) store.Member {
	w.t.Helper()
	m := w.stored("r")[0]
	fence := m.Epoch
	m.Owner, m.Epoch, m.Write = "another-node-000", m.Epoch+1, m.Write+1
	res, err := store.PutAndWait(ctx, w.store, store.Put{Room: "r", Intent: store.IntentResume, Member: m, Fence: fence})
	if err != nil || !res.Outcome.TookEffect() {
		w.t.Errorf("takeover: %+v, %v", res, err)
	}
	return m
}

// endElsewhere has that node remove it. It returns the epoch that clients saw last.
func (w *world) endElsewhere(ctx context.Context, m store.Member) int64 {
	w.t.Helper()
	outcome, err := w.store.Remove(ctx, store.Remove{
		Room: "r", ConnID: m.ConnID, Epoch: m.Epoch, Owner: m.Owner, Life: m.Life, Reason: store.ReasonNodeLost,
	})
	if err != nil || !outcome.TookEffect() {
		w.t.Errorf("removal: %v, %v", outcome, err)
	}
	return m.Epoch + 1
}

// A join is refused although it took effect. Before it is taken back, another node takes the
// member over and removes it: the socket's next join is above the epochs of that.
func TestAJoinAboveARefusedOne(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, _ *memstore.Store, l links) {
		a := w.connect(w.nodes[0], "a")
		l[0].SetPlan(once("Put", storetest.FailAfter))
		if ack := a.join("r", "ann", `,"graceMs":60000`); ack.Code != wire.CodeUnavailable {
			t.Errorf("first join: %+v", ack)
		}
		shown := w.endElsewhere(t.Context(), w.moveElsewhere(t.Context()))
		w.rest(2 * testSettings.StoreTimeout) // until the refused join cannot take effect any more
		if ack := a.join("r", "ann", `,"graceMs":60000`); ack.Self.Epoch <= shown {
			t.Errorf("second join: %+v, want an epoch above %d", ack, shown)
		}
	})
}

// beforeRemove calls a function once, before a removal.
type beforeRemove struct {
	store.Store
	do atomic.Pointer[func(ctx context.Context)]
}

func (s *beforeRemove) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	if do := s.do.Swap(nil); do != nil {
		(*do)(ctx)
	}
	return s.Store.Remove(ctx, r)
}

// A leave finds that another node has the member, or had it and removed it: the socket's next
// join is above the epochs of that.
func TestAJoinBehindALeaveThatCameTooLate(t *testing.T) {
	for name, ended := range map[string]bool{"another node has the member": false, "another node removed it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &beforeRemove{Store: memstore.New(memstore.Options{})}
				runWorld(t, st, 1, func(w *world) {
					a := w.connect(w.nodes[0], "a")
					a.join("r", "ann", `,"graceMs":60000`)
					var shown int64
					var m store.Member
					elsewhere := func(ctx context.Context) {
						if m = w.moveElsewhere(ctx); ended {
							shown = w.endElsewhere(ctx, m)
						}
					}
					st.do.Store(&elsewhere)
					a.send("leave", `{}`).wait()
					if !ended {
						shown = w.endElsewhere(t.Context(), m)
					}
					if ack := a.join("r", "ann", `,"graceMs":60000`); ack.Self.Epoch <= shown || shown == 0 {
						t.Errorf("second join: %+v, want an epoch above %d", ack, shown)
					}
				})
			})
		})
	}
}
