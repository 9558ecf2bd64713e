package memstore

import (
	"context"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// index says what each node holds and where each user is.
type index struct {
	mu    sync.Mutex
	nodes map[string]map[place]store.Entry
	users map[string]map[store.Location]string // to the node's id
}

// place is one member within a node.
type place struct{ room, connID string }

// Register implements store.Store.
func (s *Store) Register(ctx context.Context, e store.Entry) error {
	if err := s.inTime(ctx, "register member", e.ExpiresMs); err != nil {
		return err
	}
	x := &s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	put(x.nodes, e.Node, place{e.Room, e.ConnID}, e)
	put(x.users, e.UserID, store.Location{Room: e.Room, ConnID: e.ConnID}, e.Node)
	return nil
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	if err := s.inTime(ctx, "unregister member", e.ExpiresMs); err != nil {
		return err
	}
	x := &s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	drop(x.nodes, e.Node, place{e.Room, e.ConnID})
	drop(x.users, e.UserID, store.Location{Room: e.Room, ConnID: e.ConnID})
	return nil
}

// Disown implements store.Store.
func (s *Store) Disown(ctx context.Context, e store.Entry) error {
	if err := s.inTime(ctx, "disown member", e.ExpiresMs); err != nil {
		return err
	}
	x := &s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	drop(x.nodes, e.Node, place{e.Room, e.ConnID})
	return nil
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	if err := s.ready(ctx, "read user"); err != nil {
		return nil, err
	}
	x := &s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]store.Location, 0, len(x.users[userID]))
	for l := range x.users[userID] {
		out = append(out, l)
	}
	return out, nil
}

// put and drop keep two-level maps without empty inner ones.
func put[K comparable, V any](m map[string]map[K]V, key string, field K, v V) {
	if m[key] == nil {
		m[key] = make(map[K]V)
	}
	m[key][field] = v
}

func drop[K comparable, V any](m map[string]map[K]V, key string, field K) {
	delete(m[key], field)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
