package memstore

import (
	"maps"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Save returns a function that puts every record back as it is now, as a
// replica does that is promoted without the last writes. Subscriptions stay.
// It is meant for tests of what survives such a loss.
func (s *Store) Save() (rewind func()) {
	rooms, index, conns, nodes := s.rooms.save(), s.index.save(), s.conns.save(), s.nodes.save()
	return func() {
		rooms()
		index()
		conns()
		nodes()
	}
}

func (rs *rooms) save() func() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	byID := make(map[string]*room, len(rs.byID))
	for id, r := range rs.byID {
		byID[id] = &room{Position: r.Position, members: maps.Clone(r.members), users: maps.Clone(r.users)}
	}
	return func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		rs.byID = byID
	}
}

func (x *index) save() func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	nodes, users := make(map[string]map[place]store.Entry), make(map[string]map[store.Location][]string)
	for id, entries := range x.nodes {
		nodes[id] = maps.Clone(entries)
	}
	for id, at := range x.users {
		users[id] = maps.Clone(at)
	}
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.nodes, x.users = nodes, users
	}
}

func (cs *conns) save() func() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	byID := make(map[string]*record, len(cs.byID))
	for id, r := range cs.byID {
		c := *r
		c.rooms, c.epochs = slices.Clone(r.rooms), maps.Clone(r.epochs)
		byID[id] = &c
	}
	return func() {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		cs.byID = byID
	}
}

func (n *nodes) save() func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	score, claims := maps.Clone(n.score), maps.Clone(n.claims)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.score, n.claims = score, claims
	}
}
