package memstore

import (
	"context"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// nodes hold the last life sign of each node, Unix ms.
type nodes struct {
	mu   sync.Mutex
	seen map[string]int64
}

// Beat implements store.Store.
func (s *Store) Beat(ctx context.Context, node string) (store.Beat, error) {
	if err := s.ready(ctx, "beat"); err != nil {
		return store.Beat{}, err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	now := s.now().UnixMilli()
	s.nodes.seen[node] = now
	return store.Beat{NowMs: now}, nil
}

// Retire implements store.Store.
func (s *Store) Retire(ctx context.Context, node string) error {
	if err := s.ready(ctx, "retire node"); err != nil {
		return err
	}
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	delete(s.nodes.seen, node)
	return nil
}
