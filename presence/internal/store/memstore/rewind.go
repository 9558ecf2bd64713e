package memstore

import (
	"maps"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Save returns a function that puts every record back as it is now, as a
// replica does that is promoted without the last writes. Subscriptions stay.
// It is meant for tests of what survives such a loss, and may be called once.
func (s *Store) Save() (rewind func()) {
	parts := s.SaveParts()
	return func() { parts(func(string) bool { return true }) }
}

// SaveParts is Save for a store of several servers, of which one fails over:
// lost is asked which parts go back, by "room:" and the id for each room, and by
// "index", "conns" and "nodes" for what is kept apart from the rooms.
func (s *Store) SaveParts() (rewind func(lost func(part string) bool)) {
	rooms, index, conns, nodes := s.rooms.save(), s.index.save(), s.conns.save(), s.nodes.save()
	return func(lost func(part string) bool) {
		rooms(func(id string) bool { return lost("room:" + id) })
		for part, back := range map[string]func(){"index": index, "conns": conns, "nodes": nodes} {
			if lost(part) {
				back()
			}
		}
	}
}

func (rs *rooms) save() func(lost func(id string) bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	byID := make(map[string]*room, len(rs.byID))
	for id, r := range rs.byID {
		byID[id] = &room{Position: r.Position, members: maps.Clone(r.members), users: maps.Clone(r.users)}
	}
	return func(lost func(id string) bool) {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		maps.DeleteFunc(rs.byID, func(id string, _ *room) bool { return lost(id) })
		for id, r := range byID {
			if lost(id) {
				rs.byID[id] = r
			}
		}
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
