package memstore

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is here is meant for tests.

// Keys names every record that is held, sorted, as the keys of a Redis would
// be (without a prefix and without escaping): what tests compare with nothing
// when all have left.
func (s *Store) Keys() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for id := range s.rooms {
		out = append(out, "{room:"+id+"}")
	}
	for id := range s.nodeRooms {
		out = append(out, "{node:"+id+"}:rooms")
	}
	for id, u := range s.users {
		if now.Before(u.expires) {
			out = append(out, "user:"+id)
		}
	}
	for id, r := range s.conns {
		if now.Before(r.expires) {
			out = append(out, "conn:"+id)
		}
	}
	if len(s.signs) > 0 {
		out = append(out, "nodes")
	}
	for id, c := range s.claims {
		if now.Before(c.ends) {
			out = append(out, "{node:"+id+"}:claim")
		}
	}
	slices.Sort(out)
	return out
}

// ConnRecord returns the documented fields of a connection's record and how
// long it still lives; nil when there is none.
func (s *Store) ConnRecord(connID string) (fields map[string]string, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r := s.conn(connID, now)
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
// stay.
func (s *Store) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = newData()
}

// Age makes every life sign, mark of a dead node, claim and entry of a user older by d.
func (s *Store) Age(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, sign := range s.signs {
		if sign < 0 {
			s.signs[id] = sign + d.Milliseconds()
		} else {
			s.signs[id] = sign - d.Milliseconds()
		}
	}
	for id, c := range s.claims {
		c.ends = c.ends.Add(-d)
		s.claims[id] = c
	}
	for _, u := range s.users {
		u.expires = u.expires.Add(-d)
	}
}

// Save returns a function that puts every record back as it is now, as a
// replica does that is promoted without the last writes. Subscriptions stay. It may
// be called once.
func (s *Store) Save() (rewind func()) {
	parts := s.SaveParts()
	return func() { parts(func(string) bool { return true }) }
}

// SaveParts is Save for a store of several servers, of which one fails over:
// lost is asked which parts go back, by "room:" and the id for each room, and by
// "index", "conns" and "nodes" for the records that are not in a room.
func (s *Store) SaveParts() (rewind func(lost func(part string) bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := s.data.clone()
	return func(lost func(part string) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		maps.DeleteFunc(s.rooms, func(id string, _ *room) bool { return lost("room:" + id) })
		for id, r := range saved.rooms {
			if lost("room:" + id) {
				s.rooms[id] = r
			}
		}
		if lost("index") {
			s.nodeRooms, s.users = saved.nodeRooms, saved.users
		}
		if lost("conns") {
			s.conns = saved.conns
		}
		if lost("nodes") {
			s.signs, s.claims = saved.signs, saved.claims
		}
	}
}

func (d *data) clone() data {
	c := newData()
	for id, r := range d.rooms {
		c.rooms[id] = &room{Position: r.Position, members: maps.Clone(r.members), users: maps.Clone(r.users)}
	}
	for id, rooms := range d.nodeRooms {
		c.nodeRooms[id] = maps.Clone(rooms)
	}
	for id, u := range d.users {
		c.users[id] = &user{maps.Clone(u.lives), u.expires}
	}
	for id, r := range d.conns {
		copied := *r
		copied.rooms, copied.epochs = slices.Clone(r.rooms), maps.Clone(r.epochs)
		c.conns[id] = &copied
	}
	c.signs, c.claims = maps.Clone(d.signs), maps.Clone(d.claims)
	return c
}
