package engine

import (
	"hash/crc32"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// maxTickDelay is how late a tick must be for the node to assume that it was frozen: then what
// clients sent has not been read yet.
const maxTickDelay = 2 * time.Second

// connReaper returns the check for silent connections, to be run every ReaperInterval.
func (e *Sockets) connReaper() func() {
	due := e.clock.Now().Add(e.ReaperInterval)
	return func() {
		now := e.clock.Now()
		slept := now.Sub(due) > maxTickDelay
		due = now.Add(e.ReaperInterval)
		if slept {
			return // first drain what came in
		}
		for _, s := range e.silentSince(now.Add(-e.Lookback)) {
			s.conn.Drop()
		}
	}
}

// sessions lists the sockets' places in rooms.
func (e *Sockets) sessions() (list []Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.all {
		s.mu.Lock()
		for _, st := range s.sessions {
			list = append(list, st)
		}
		s.mu.Unlock()
	}
	return list
}

// refreshBatch is how many connections one call to the store refreshes.
const refreshBatch = 256

// userTurns is in how many turns each member has the entry of its user written once, and
// userTurn how long a turn is: an entry is written three times in its time to live, whatever
// that of connections is.
const (
	userTurns = 120
	userTurn  = store.UserTTL / 3 / userTurns
)

// usersInTurn returns what writes the entries of the users whose turn it is, to be run
// every userTurn.
func (e *Engine) usersInTurn() func() {
	turn := 0
	return func() {
		turn = (turn + 1) % userTurns
		for _, m := range e.Owned.ownedMembers() {
			if crc32.ChecksumIEEE([]byte(m.connID))%userTurns == uint32(turn) {
				m.writeUserSoon()
			}
		}
	}
}

// refreshConns renews the records of all connections of this node, of those in
// grace too, and writes those again that the store lost.
func (e *Engine) refreshConns() {
	conns := e.Owned.ownedConns()
	batch := make([]store.Seen, 0, refreshBatch)
	flush := func() {
		ctx, cancel := e.storeContext()
		defer cancel()
		defer func() { batch = batch[:0] }()
		missing, err := e.store.ConnRefresh(ctx, e.self(), batch)
		if err != nil && e.ctx.Err() == nil {
			e.throttled.Warn("records of connections not refreshed; the next refresh tries again", "count", len(batch), "error", err)
		}
		for _, id := range missing {
			for _, c := range conns[id] {
				if e.Owned.owns(c.Room, c.ConnID) && e.connJoin(ctx, c) != nil {
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

// owns tells whether a member is this node's.
func (e *ownedMembers) owns(room, connID string) bool {
	r := e.roomOf(room)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Owns(connID)
}

// ownedConns lists what the node owns, by connection.
func (e *ownedMembers) ownedConns() map[string][]store.Conn {
	conns := make(map[string][]store.Conn)
	for _, r := range e.replicas() {
		r.mu.Lock()
		for id, m := range r.owned {
			if shown := r.rep.Member(id); shown != nil {
				c := m.conn()
				c.SeenMs = r.rep.LastSeenMs(shown)
				conns[id] = append(conns[id], c)
			}
		}
		r.mu.Unlock()
	}
	return conns
}
