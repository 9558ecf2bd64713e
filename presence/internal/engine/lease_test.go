package engine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// hangingBeats is a store of which some life signs are answered by nobody.
type hangingBeats struct {
	store.Store
	mu    sync.Mutex
	hangs bool
	at    []time.Time // when each was sent
}

func (s *hangingBeats) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return store.Beat{}, ctx.Err()
	}
	return s.Store.Beat(ctx, b)
}

// Life signs that nobody answers do not make the next ones late: several are sent
// before the lease is over.
func TestLifeSignsComeAtAFixedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hangingBeats{Store: memstore.New(memstore.Options{})}
		runWorld(t, st, 1, func(w *world) {
			time.Sleep(3 * renewInterval)
			st.mu.Lock()
			st.hangs, st.at = true, nil
			st.mu.Unlock()
			time.Sleep(testSettings.LeaseTime + renewInterval/2)
			st.mu.Lock()
			defer st.mu.Unlock()
			st.hangs = false
			if len(st.at) < 4 {
				t.Errorf("%d life signs within a lease while none is answered: %v", len(st.at), st.at)
			}
			for i, at := range st.at[1:] {
				if d := at.Sub(st.at[i]); d != renewInterval {
					t.Errorf("life sign %d came %v after the one before", i+1, d)
				}
			}
		})
	})
}
