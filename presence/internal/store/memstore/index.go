package memstore

import (
	"context"
	"slices"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// index says what each node holds and where each user is: nodes[n][p] is for user u
// exactly if n is one of users[u][p].
type index struct {
	mu    sync.Mutex
	nodes map[string]map[place]store.Entry
	users map[string]map[store.Location][]string // to the ids of the nodes; nobody writes to the slices
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
	if was, held := x.nodes[e.Node][place{e.Room, e.ConnID}]; held {
		x.remove(was)
	}
	at := store.Location{Room: e.Room, ConnID: e.ConnID}
	put(x.nodes, e.Node, place{e.Room, e.ConnID}, e)
	put(x.users, e.UserID, at, append(slices.Clip(x.users[e.UserID][at]), e.Node))
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
	if held, ok := x.nodes[e.Node][place{e.Room, e.ConnID}]; ok && held.UserID == e.UserID {
		x.remove(held)
	}
	return nil
}

// remove takes out what a node holds. The lock is held.
func (x *index) remove(e store.Entry) {
	at := store.Location{Room: e.Room, ConnID: e.ConnID}
	drop(x.nodes, e.Node, place{e.Room, e.ConnID})
	rest := slices.DeleteFunc(slices.Clone(x.users[e.UserID][at]), func(node string) bool { return node == e.Node })
	if len(rest) > 0 {
		put(x.users, e.UserID, at, rest)
		return
	}
	drop(x.users, e.UserID, at)
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
