package memstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// conns are the records of connections, for outside readers.
type conns struct {
	mu   sync.Mutex
	ttl  time.Duration
	byID map[string]*record
}

type record struct {
	userID  string
	rooms   []string
	epochs  map[string]int64 // the highest, by room
	node    string
	seenMs  int64
	expires time.Time
}

// epoch is the highest of all rooms.
func (r *record) epoch() (highest int64) {
	for _, epoch := range r.epochs {
		highest = max(highest, epoch)
	}
	return highest
}

// get returns the record that lives; an expired one is dropped.
func (cs *conns) get(connID string, now time.Time) *record {
	r := cs.byID[connID]
	if r != nil && !now.Before(r.expires) {
		delete(cs.byID, connID)
		return nil
	}
	return r
}

// ConnJoin implements store.Store.
func (s *Store) ConnJoin(ctx context.Context, c store.Conn) error {
	if err := s.inTime(ctx, "join connection", c.ExpiresMs); err != nil {
		return err
	}
	cs, now := &s.conns, s.now()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	r := cs.get(c.ConnID, now)
	if r == nil {
		r = &record{epochs: make(map[string]int64)}
		cs.byID[c.ConnID] = r
	}
	r.userID, r.node = c.UserID, c.Node
	r.epochs[c.Room], r.seenMs = max(r.epochs[c.Room], c.Epoch), max(r.seenMs, c.SeenMs)
	if !slices.Contains(r.rooms, c.Room) {
		r.rooms = append(r.rooms, c.Room)
	}
	r.expires = now.Add(cs.ttl)
	return nil
}

// ConnLeave implements store.Store.
func (s *Store) ConnLeave(ctx context.Context, c store.Conn) error {
	if err := s.inTime(ctx, "leave connection", c.ExpiresMs); err != nil {
		return err
	}
	cs := &s.conns
	cs.mu.Lock()
	defer cs.mu.Unlock()
	r := cs.get(c.ConnID, s.now())
	if r == nil || r.epochs[c.Room] > c.Epoch && r.node != c.Node {
		return nil
	}
	delete(r.epochs, c.Room)
	r.rooms = slices.DeleteFunc(r.rooms, func(room string) bool { return room == c.Room })
	if len(r.rooms) == 0 {
		delete(cs.byID, c.ConnID)
	}
	return nil
}

// ConnRefresh implements store.Store.
func (s *Store) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	if err := s.ready(ctx, "refresh connections"); err != nil {
		return nil, err
	}
	cs, now := &s.conns, s.now()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var missing []string
	for _, c := range seen {
		r := cs.get(c.ConnID, now)
		switch {
		case r == nil:
			missing = append(missing, c.ConnID)
		case r.node == node:
			r.seenMs = max(r.seenMs, c.SeenMs)
			r.expires = now.Add(cs.ttl)
		}
	}
	return missing, nil
}
