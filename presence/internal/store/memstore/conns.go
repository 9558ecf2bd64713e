package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// record is that of a connection, for outside readers.
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

// conn returns the record that lives; an expired one is dropped.
func (d *data) conn(connID string, now time.Time) *record {
	r := d.conns[connID]
	if r != nil && !now.Before(r.expires) {
		delete(d.conns, connID)
		return nil
	}
	return r
}

// ConnJoin implements store.Store.
func (s *Store) ConnJoin(ctx context.Context, c store.Conn) error {
	return s.do(ctx, "join connection", c.ExpiresMs, func(now time.Time) {
		r := s.conn(c.ConnID, now)
		if r == nil {
			r = &record{epochs: make(map[string]int64)}
			s.conns[c.ConnID] = r
		}
		r.userID, r.node = c.UserID, c.Node
		r.epochs[c.Room], r.seenMs = max(r.epochs[c.Room], c.Epoch), max(r.seenMs, c.SeenMs)
		if !slices.Contains(r.rooms, c.Room) {
			r.rooms = append(r.rooms, c.Room)
		}
		r.expires = now.Add(s.ttl)
	})
}

// ConnLeave implements store.Store.
func (s *Store) ConnLeave(ctx context.Context, c store.Conn) error {
	return s.do(ctx, "leave connection", c.ExpiresMs, func(now time.Time) {
		r := s.conn(c.ConnID, now)
		if r == nil || r.epochs[c.Room] > c.Epoch && r.node != c.Node {
			return
		}
		delete(r.epochs, c.Room)
		r.rooms = slices.DeleteFunc(r.rooms, func(room string) bool { return room == c.Room })
		if len(r.rooms) == 0 {
			delete(s.conns, c.ConnID)
		}
	})
}

// ConnRefresh implements store.Store.
func (s *Store) ConnRefresh(ctx context.Context, node string, seen []store.Seen) (missing []string, err error) {
	err = s.do(ctx, "refresh connections", 0, func(now time.Time) {
		for _, c := range seen {
			r := s.conn(c.ConnID, now)
			switch {
			case r == nil:
				missing = append(missing, c.ConnID)
			case r.node == node:
				r.seenMs = max(r.seenMs, c.SeenMs)
				r.expires = now.Add(s.ttl)
			}
		}
	})
	return missing, err
}
