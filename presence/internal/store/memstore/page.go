package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// page returns the first names after a cursor, in their order, and the cursor of the page
// after this one: its last name, or "" when there are no more. It looks at each name once, since the
// store's lock is held: of hundreds of thousands it must not sort all for each page.
func page(names iter.Seq[string], cursor string, limit int) (list []string, next string) {
	limit = max(limit, 1)
	for name := range names {
		if name <= cursor || next != "" && name >= next {
			continue
		}
		if list = append(list, name); len(list) == 2*limit {
			slices.Sort(list)
			list, next = list[:limit], list[limit-1]
		}
	}
	slices.Sort(list)
	if len(list) > limit {
		list, next = list[:limit], list[limit-1]
	}
	return list, next
}

// ScanMembers implements store.Store.
func (s *Store) ScanMembers(ctx context.Context, id, cursor string, limit int) (out []store.Member, next string, err error) {
	err = s.do(ctx, "scan members", 0, func(time.Time) {
		if r := s.rooms[id]; r != nil {
			var connIDs []string
			connIDs, next = page(maps.Keys(r.members), cursor, limit)
			out = r.some(connIDs)
		}
	})
	return out, next, err
}

// AddRoom implements store.Store.
func (s *Store) AddRoom(ctx context.Context, n store.NodeRoom) error {
	return s.do(ctx, "add room of node", n.ExpiresMs, func(time.Time) {
		if s.nodeRooms[n.Node] == nil {
			s.nodeRooms[n.Node] = make(map[string]struct{})
		}
		s.nodeRooms[n.Node][n.Room] = struct{}{}
	})
}

// RemoveRoom implements store.Store.
func (s *Store) RemoveRoom(ctx context.Context, n store.NodeRoom) error {
	return s.do(ctx, "remove room of node", n.ExpiresMs, func(time.Time) {
		delete(s.nodeRooms[n.Node], n.Room)
		if len(s.nodeRooms[n.Node]) == 0 {
			delete(s.nodeRooms, n.Node)
		}
	})
}

// NodeRooms implements store.Store.
func (s *Store) NodeRooms(ctx context.Context, node, cursor string, limit int) (out []string, next string, err error) {
	err = s.do(ctx, "read rooms of node", 0, func(time.Time) {
		out, next = page(maps.Keys(s.nodeRooms[node]), cursor, limit)
	})
	return out, next, err
}
