package presence

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// late is by how much a tick may be late before the node takes itself for one
// that slept: what clients sent meanwhile lies unread then.
const late = 2 * time.Second

// reaper returns the check for silent connections, to be run every reaperInterval.
func (e *engine) reaper() func() {
	due := e.clock.Now().Add(e.reaperInterval)
	return func() {
		now := e.clock.Now()
		slept := now.Sub(due) > late
		due = now.Add(e.reaperInterval)
		if slept {
			return // first drain what came in
		}
		for _, s := range e.connected() {
			if now.Sub(s.peer.lastPacket()) > e.lookback {
				s.peer.drop()
			}
		}
	}
}

// connected lists the sockets that are in a room or on their way into one.
func (e *engine) connected() []*socket {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*socket, 0, len(e.sockets))
	for s := range e.sockets {
		s.mu.Lock()
		if len(s.seats) > 0 {
			list = append(list, s)
		}
		s.mu.Unlock()
	}
	return list
}

// refreshBatch is how many connections one call to the store refreshes.
const refreshBatch = 256

// refresh renews the records of all connections of this node, of those in
// grace too, and writes those anew that the store lost.
func (e *engine) refresh() {
	conns := e.conns()
	batch := make([]store.Seen, 0, refreshBatch)
	flush := func() {
		ctx, cancel := e.bounded()
		defer cancel()
		defer func() { batch = batch[:0] }()
		missing, err := e.store.ConnRefresh(ctx, e.self(), batch)
		if err != nil && e.ctx.Err() == nil {
			e.faults.Warn("records of connections not refreshed; the next refresh tries again", "count", len(batch), "error", err)
		}
		for _, id := range missing {
			for _, c := range conns[id] {
				if e.owns(c.Room, c.ConnID) && e.connJoin(ctx, c) != nil {
					return // the next refresh finds it again
				}
			}
		}
	}
	for id, rooms := range conns {
		batch = append(batch, store.Seen{ConnID: id, SeenMs: rooms[0].SeenMs})
		if len(batch) == refreshBatch {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
}

// owns tells whether a member is this node's, or about to be.
func (e *engine) owns(room, connID string) bool {
	now, _ := e.presence(store.Entry{Room: room, ConnID: connID})
	return now != absent
}

// presence tells how this node has the member of an index entry.
func (e *engine) presence(entry store.Entry) (present, *membership) {
	e.mu.Lock()
	r := e.rooms[entry.Room]
	e.mu.Unlock()
	if r == nil {
		return absent, nil
	}
	return r.presence(entry)
}

// conns lists what the node owns, by connection.
func (e *engine) conns() map[string][]store.Conn {
	conns := make(map[string][]store.Conn)
	for _, r := range e.openRooms() {
		r.mu.Lock()
		for id, m := range r.owned {
			if stands := r.members[id]; stands != nil {
				c := m.conn()
				c.SeenMs = r.lastSeenMs(stands)
				conns[id] = append(conns[id], c)
			}
		}
		r.mu.Unlock()
	}
	return conns
}
