package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// place is one member within a node.
type place struct{ room, connID string }

// Register implements store.Store.
func (s *Store) Register(ctx context.Context, e store.Entry) error {
	return s.do(ctx, "register member", e.ExpiresMs, func(time.Time) {
		if was, held := s.held[e.Node][place{e.Room, e.ConnID}]; held {
			s.unregister(was)
		}
		e.ExpiresMs = 0
		at := store.Location{Room: e.Room, ConnID: e.ConnID}
		put(s.held, e.Node, place{e.Room, e.ConnID}, e)
		put(s.users, e.UserID, at, append(slices.Clip(s.users[e.UserID][at]), e.Node))
	})
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	return s.do(ctx, "unregister member", e.ExpiresMs, func(time.Time) {
		if held, ok := s.held[e.Node][place{e.Room, e.ConnID}]; ok && held.UserID == e.UserID {
			s.unregister(held)
		}
	})
}

// unregister takes out what a node holds.
func (d *data) unregister(e store.Entry) {
	at := store.Location{Room: e.Room, ConnID: e.ConnID}
	drop(d.held, e.Node, place{e.Room, e.ConnID})
	rest := slices.DeleteFunc(slices.Clone(d.users[e.UserID][at]), func(node string) bool { return node == e.Node })
	if len(rest) > 0 {
		put(d.users, e.UserID, at, rest)
		return
	}
	drop(d.users, e.UserID, at)
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) (out []store.Location, err error) {
	err = s.do(ctx, "read user", 0, func(time.Time) { out = slices.Collect(maps.Keys(s.users[userID])) })
	return out, err
}

// NodeEntries implements store.Store.
func (s *Store) NodeEntries(ctx context.Context, node string, limit int) (out []store.Entry, err error) {
	err = s.do(ctx, "read entries of node", 0, func(time.Time) {
		for _, e := range s.held[node] {
			if len(out) == limit {
				break
			}
			out = append(out, e)
		}
	})
	return out, err
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
