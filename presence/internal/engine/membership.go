package engine

import (
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// ownedMember is a member that this node owns. What an executor writes is touched by
// that executor alone: its room session's while it has one, its grace's after that.
type ownedMember struct {
	room           *room
	connID, userID string
	idSocket       *Socket // the socket of this node whose id is the connId; nil if there is none
	// owner is the node id under which it stands in the store, life the name of its life and
	// newer what a node of a later version wrote of it. Only its executor changes them, with the
	// room's lock held.
	owner, life, newer string

	// epoch is the stored epoch, clientEpoch the one that the client must send. A restore
	// raises only the first.
	epoch, clientEpoch atomic.Int64
	write              atomic.Int64 // number of the last one that counts
	joinedMs           atomic.Int64 // 0 until the store has answered the join

	// Of the executor.
	state          []byte
	token          string // "" when the node only ever saw the digest
	digest         store.Digest
	away           atomic.Bool  // it is stored as away, although it may have a socket
	inDoubtUntilMs atomic.Int64 // until when a restore without an answer may still take effect
	// Guarded by room.mu, and written by its executor alone.
	graceMs int64
	// wrongSince is since when the store was found not to have the member as it should
	// without a word why; zero: it is not so.
	wrongSince time.Time
	// restoring: a write that brings it back may have taken effect, and the indexes
	// do not have it yet.
	restoring bool

	// Guarded by room.mu.
	session       *roomSession // nil in grace and when gone
	grace         *grace       // nil while it has a socket
	listenerIndex int          // in room.listeners; -1: does not hear the room
	// leaving: this node is removing it and cleans up behind itself.
	leaving bool
	// gone is why somebody removed it, once that is known and until the room shows its
	// leave (giveUpLocked). Empty: it is not gone.
	gone store.Reason
	// disconnectEpoch is the epoch for which a kick was announced that also disconnects the
	// socket.
	disconnectEpoch int64
	checks          checkState
}

// record is the member as it is to be stored, without a running grace.
func (m *ownedMember) record() store.Member {
	return store.Member{
		ConnID: m.connID, UserID: m.userID, Owner: m.owner,
		Epoch: m.epoch.Load(), Write: m.write.Load(),
		Life: m.life, JoinedMs: m.joinedMs.Load(), GraceMs: m.graceMs, Token: m.digest, State: m.state, Away: m.away.Load(),
		Newer: m.newer,
	}
}

// userEntry is what the index has of where the user is.
func (m *ownedMember) userEntry() store.UserEntry {
	return store.UserEntry{UserID: m.userID, Room: m.room.id, ConnID: m.connID, Life: m.life}
}

func (m *ownedMember) conn() store.Conn {
	seen := m.room.eng.storeNow()
	return store.Conn{ConnID: m.connID, UserID: m.userID, Room: m.room.id, Node: m.owner, Epoch: m.epoch.Load(), SeenMs: seen}
}

// removeOwned forgets it, wherever it was remembered. The room's lock is held.
func (r *room) removeOwned(m *ownedMember) {
	if r.owned[m.connID] == m {
		delete(r.owned, m.connID)
	}
	if r.rep.Missing(m.connID) {
		r.resync() // no event will show that it is gone
	}
	r.removeListener(m)
	if m.grace != nil {
		m.grace.stop()
		m.grace = nil
	}
	if s := m.idSocket; s != nil { // the socket's next join is another life
		s.mu.Lock()
		s.minEpoch = max(s.minEpoch, m.epoch.Load())
		s.mu.Unlock()
	}
}

// addListener lets the owned member's socket hear the room. The room's lock is held.
func (r *room) addListener(m *ownedMember) {
	if m.listenerIndex < 0 {
		m.listenerIndex = len(r.listeners)
		r.listeners = append(r.listeners, m)
	}
}

// removeListener ends that. The room's lock is held.
func (r *room) removeListener(m *ownedMember) {
	if m.listenerIndex < 0 {
		return
	}
	last := len(r.listeners) - 1
	r.listeners[m.listenerIndex] = r.listeners[last]
	r.listeners[m.listenerIndex].listenerIndex = m.listenerIndex
	r.listeners[last] = nil
	r.listeners = r.listeners[:last]
	m.listenerIndex = -1
}

// evict takes a member from its socket that somebody removed, for a reason, or that another
// socket has by now, of this node or of another one: moved, without a reason. The room's lock
// is held.
func (r *room) evict(m *ownedMember, reason store.Reason) {
	e, s, g, leaving, moved := r.eng, m.session, m.grace, m.leaving, reason == ""
	cut := m.disconnectEpoch == m.epoch.Load() && reason == store.ReasonKicked
	r.removeOwned(m)
	m.session = nil
	if m.idSocket != nil && moved {
		m.idSocket.mu.Lock()
		m.idSocket.idTaken = true
		m.idSocket.mu.Unlock()
	}
	now := e.clock.Now()
	cleanUp := func(l *serial.Executor) {
		switch {
		case leaving || moved: // others see to what there is of it
		case m.inDoubtUntilMs.Load() > 0: // and may come back
			e.markInDoubt(l, m.removing(store.ReasonDisconnect))
		default:
			e.retries.CarryOut(l, now, m.erase)
		}
	}
	switch {
	case s != nil:
		s.evicted(m, func() {
			s.leaveRoom(cut)
			cleanUp(&s.executor)
		})
	case g != nil:
		e.schedule(&g.executor, func() { cleanUp(&g.executor) })
	}
}

// writer is where what is written of the member takes its turn: its room session's or its grace's;
// nil when it has neither. The room's lock is held.
func (m *ownedMember) writer() *serial.Executor {
	switch {
	case m.session != nil:
		return &m.session.executor
	case m.grace != nil:
		return &m.grace.executor
	}
	return nil
}

// isOwn reports whether an owned member is still this node's.
func (r *room) isOwn(m *ownedMember) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owned[m.connID] == m
}

// Owns reports whether a member of the connection is this node's and not on its way out. It
// implements replica.Owner. The lock is held.
func (r *room) Owns(connID string) bool {
	own := r.owned[connID]
	return own != nil && !own.leaving
}
