package memstore

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keys names every record that is held, sorted, as the keys of a Redis would
// be (without a prefix and without escaping): what tests compare with nothing
// when all have left.
func (s *Store) Keys() []string {
	var out []string
	s.rooms.mu.Lock()
	for id := range s.rooms.byID {
		out = append(out, "{room:"+id+"}")
	}
	s.rooms.mu.Unlock()

	s.index.mu.Lock()
	for id := range s.index.nodes {
		out = append(out, "{node:"+id+"}:conns")
	}
	for id := range s.index.users {
		out = append(out, "user:"+id)
	}
	s.index.mu.Unlock()

	now := s.now()
	s.conns.mu.Lock()
	for id, r := range s.conns.byID {
		if now.Before(r.expires) {
			out = append(out, "conn:"+id)
		}
	}
	s.conns.mu.Unlock()

	s.nodes.mu.Lock()
	if len(s.nodes.score) > 0 {
		out = append(out, "nodes")
	}
	for id, c := range s.nodes.claims {
		if now.Before(c.ends) {
			out = append(out, "{node:"+id+"}:claim")
		}
	}
	s.nodes.mu.Unlock()
	slices.Sort(out)
	return out
}

// ConnRecord returns the documented fields of a connection's record and how
// long it still lives; nil when there is none.
func (s *Store) ConnRecord(connID string) (fields map[string]string, ttl time.Duration) {
	now := s.now()
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	r := s.conns.get(connID, now)
	if r == nil {
		return nil, 0
	}
	room := r.rooms[0]
	if len(r.rooms) > 1 || strings.HasPrefix(room, "[") {
		list, err := json.Marshal(r.rooms)
		if err != nil {
			return nil, 0
		}
		room = string(list)
	}
	return map[string]string{
		"user_id":      r.userID,
		"room_id":      room,
		"node_id":      r.node,
		"epoch":        strconv.FormatInt(r.epoch(), 10),
		"last_seen_ms": strconv.FormatInt(r.seenMs, 10),
	}, r.expires.Sub(now)
}

// Wipe drops every record, as a Redis does that restarts empty. Subscriptions
// stay. It is meant for tests of what survives such a loss.
func (s *Store) Wipe() {
	s.rooms.mu.Lock()
	clear(s.rooms.byID)
	s.rooms.mu.Unlock()
	s.index.mu.Lock()
	clear(s.index.nodes)
	clear(s.index.users)
	s.index.mu.Unlock()
	s.conns.mu.Lock()
	clear(s.conns.byID)
	s.conns.mu.Unlock()
	s.nodes.mu.Lock()
	clear(s.nodes.score)
	clear(s.nodes.claims)
	s.nodes.mu.Unlock()
}

// Age makes every life sign, mark of a dead node and claim older by d. It is
// meant for tests that do not wait.
func (s *Store) Age(d time.Duration) {
	n, ms := &s.nodes, d.Milliseconds()
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, score := range n.score {
		if score < 0 {
			n.score[id] = score + ms
		} else {
			n.score[id] = score - ms
		}
	}
	for id, c := range n.claims {
		n.claims[id] = claim{by: c.by, ends: c.ends.Add(-d)}
	}
}
