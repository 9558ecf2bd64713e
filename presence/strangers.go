package presence

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// strangersInterval is how often a node looks whether the owners of the members
// that it shows are alive.
const strangersInterval = 4 * time.Second

// strangers are the owners that are not: since when this node has known that.
// Members whose owner the reaper finds by its index are gone long before their
// time is up; these are of owners whose life sign or index was lost.
type strangers struct {
	mu    sync.Mutex
	since map[string]time.Time
	// unseen are the members of this node that its own replicas did not show as
	// its own when it last looked.
	unseen map[*membership]bool
}

// checkOwners reaps the members of owners that have not been alive for a lease
// and more, and those of this node's that it knows nothing of. It judges by the
// node's own unbroken beats, as for other nodes.
func (e *engine) checkOwners() {
	s := &e.strangers
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.steady.Load() || e.draining.Load() {
		s.since = nil
		return
	}
	s.unseen = e.questionUnseen(s.unseen)
	owners := e.owners()
	ids := make([]string, 0, len(owners))
	for id := range owners {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		s.since = nil
		return
	}
	ctx, cancel := e.bounded()
	defer cancel()
	states, err := e.store.NodeStates(ctx, ids)
	if err != nil {
		s.since = nil
		return
	}
	now, since, due := e.clock.Now(), make(map[string]time.Time), make(map[string]bool)
	for i, id := range ids {
		if states[i] == store.NodeAlive && id != e.self() {
			continue
		}
		if since[id] = now; !s.since[id].IsZero() {
			since[id] = s.since[id]
		}
		due[id] = now.Sub(since[id]) >= e.leaseTime+steadyExtra
	}
	s.since = since
	if entries := e.entriesOf(due); len(entries) > 0 {
		e.reapRooms(entries)
	}
}

// questionUnseen questions the members of this node, with a socket, that its
// replicas did not show as its own now and the time before.
func (e *engine) questionUnseen(before map[*membership]bool) map[*membership]bool {
	unseen := make(map[*membership]bool)
	for _, r := range e.openRooms() {
		r.mu.Lock()
		for id, own := range r.owned {
			stands := r.members[id]
			if own.seat == nil || r.loading || stands != nil && stands.Owner == own.owner {
				continue
			}
			if before[own] {
				r.question(own)
			} else {
				unseen[own] = true
			}
		}
		r.mu.Unlock()
	}
	return unseen
}

// owners lists who owns the members that the node shows; itself only if it
// shows one that it does not know as its own.
func (e *engine) owners() map[string]bool {
	owners := make(map[string]bool)
	self := e.self()
	for _, r := range e.openRooms() {
		r.mu.Lock()
		for id, m := range r.members {
			if m.Owner != self || r.owned[id] == nil {
				owners[m.Owner] = true
			}
		}
		r.mu.Unlock()
	}
	return owners
}

// entriesOf lists the members of owners, by room, as index entries would.
func (e *engine) entriesOf(owners map[string]bool) map[string][]store.Entry {
	rooms := make(map[string][]store.Entry)
	for _, r := range e.openRooms() {
		r.mu.Lock()
		for id, m := range r.members {
			if owners[m.Owner] && r.owned[id] == nil {
				rooms[r.id] = append(rooms[r.id], store.Entry{
					Node: m.Owner, Room: r.id, ConnID: id, UserID: m.UserID, Epoch: m.Epoch, Life: m.Life,
				})
			}
		}
		r.mu.Unlock()
	}
	return rooms
}
