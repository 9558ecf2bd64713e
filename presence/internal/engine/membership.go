package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keylock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Session is the side of a member's socket that a room knows: the socket's place in the room.
// None of its methods blocks. Those that say so are called with the room's lock held.
type Session interface {
	// Executor is where what is written of the member takes its turn.
	Executor() *serial.Executor
	// Deliver queues a frame. The room's lock is held.
	Deliver(f Frame)
	// LastPacket is when the client last sent anything at all.
	LastPacket() time.Time
	recipient
	// Closed reports whether the engine was told that the socket has ended.
	Closed() bool
	// Take makes the member the socket's, and PutBack the one that it had before, which Take
	// returned. The room's lock is held.
	Take(m *ownedMember) (before *ownedMember)
	PutBack(before *ownedMember)
	// ShowAgain has the member shown away or online if a write that should have done that
	// found it missing. The room's lock is held.
	ShowAgain(m *ownedMember)
	// Evicted takes the member from the socket after an eviction. Before any request that
	// waits the socket leaves the room, and with cut it is disconnected for good if it is
	// in no other; then cleanUp runs. The room's lock is held.
	Evicted(m *ownedMember, cut bool, cleanUp func(*serial.Executor))
	// LeaveOrHandOff lets the member go as the node stops, and reports whether something of
	// it stays in the store, or may. An operation of the executor.
	LeaveOrHandOff(ctx context.Context) (left bool)
}

// IDSocket is a socket to the member whose connId is the socket's own id, whoever has the
// member now. The room's lock is held.
type IDSocket interface {
	// GaveUp says that the member is not this node's any more, and with which epoch.
	GaveUp(epoch int64)
	// IDTaken says that another socket, or another node, has the member by now.
	IDTaken()
}

// ownedMember is a member that this node owns. What an executor writes is touched by
// that executor alone: its room session's while it has one, its grace's after that.
type ownedMember struct {
	room           *ownRoom
	connID, userID string
	idSocket       IDSocket // the socket of this node whose id is the connId; nil if there is none
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
	session  Session  // nil in grace and when gone
	grace    *grace   // nil while it has a socket
	listener listener // what its socket hears the room by
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

// ownedMembers are the members that a node owns.
type ownedMembers struct {
	*Node
	rooms  *Rooms
	checks *serial.FairPool // of members that the store may not have as it should
}

// newOwnedMembers returns the members of a node that owns none. It has its rooms call them.
func newOwnedMembers(r *Rooms) *ownedMembers {
	e := &ownedMembers{Node: r.Node, rooms: r, checks: r.newPool(leavesAtOnce)}
	r.newMembers = func(r *room) roomMembers {
		return &ownRoom{room: r, all: e, owned: make(map[string]*ownedMember)}
	}
	return e
}

// ownRoom is a room with the members that this node owns in it. The room's lock guards them.
type ownRoom struct {
	*room
	all   *ownedMembers           // of the node
	owned map[string]*ownedMember // by connId

	// handoffs locks each member, by connId, that this node is taking over or checking. Two
	// of its own writes that make the same node its owner count from the same epoch, and
	// the store would take one for a repeat of the other.
	handoffs keylock.Locks[string]
}

// acquire is that of the rooms.
func (e *ownedMembers) acquire(ctx context.Context, id string) (*ownRoom, error) {
	r, err := e.rooms.acquire(ctx, id)
	if err != nil {
		return nil, err
	}
	return ownOf(r), nil
}

// ownOf is a room with the members that this node owns in it.
func ownOf(r *room) *ownRoom { return r.members.(*ownRoom) }

// roomOf returns the open room of an id; nil: it is not open.
func (e *ownedMembers) roomOf(id string) *ownRoom {
	if r := e.rooms.roomOf(id); r != nil {
		return ownOf(r)
	}
	return nil
}

// replicas lists the rooms that are open.
func (e *ownedMembers) replicas() (list []*ownRoom) {
	for _, r := range e.rooms.replicas() {
		list = append(list, ownOf(r))
	}
	return list
}

// makeMember returns a member that this node is about to own.
func (r *ownRoom) makeMember(connID, userID, life string, state []byte) *ownedMember {
	return &ownedMember{
		room: r, owner: r.all.self(), life: life, connID: connID, userID: userID, state: state,
	}
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

// conn is what the record of the connection has of the member.
func (m *ownedMember) conn() store.Conn {
	seen := m.room.all.storeNow()
	return store.Conn{ConnID: m.connID, UserID: m.userID, Room: m.room.id, Node: m.owner, Epoch: m.epoch.Load(), SeenMs: seen}
}

// removeOwned forgets it, wherever it was remembered. The room's lock is held.
func (r *ownRoom) removeOwned(m *ownedMember) {
	if r.owned[m.connID] == m {
		delete(r.owned, m.connID)
	}
	if r.rep.Missing(m.connID) {
		r.resync() // no event will show that it is gone
	}
	r.removeListener(&m.listener)
	if m.grace != nil {
		m.grace.stop()
		m.grace = nil
	}
	if m.idSocket != nil { // the socket's next join is another life
		m.idSocket.GaveUp(m.epoch.Load())
	}
}

// evict takes a member from its socket that somebody removed, for a reason, or that another
// socket has by now, of this node or of another one: moved, without a reason. The room's lock
// is held.
func (r *ownRoom) evict(m *ownedMember, reason store.Reason) {
	e, s, g, leaving, moved := r.all, m.session, m.grace, m.leaving, reason == ""
	cut := m.disconnectEpoch == m.epoch.Load() && reason == store.ReasonKicked
	r.removeOwned(m)
	m.session = nil
	if m.idSocket != nil && moved {
		m.idSocket.IDTaken()
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
		s.Evicted(m, cut, cleanUp)
	case g != nil:
		e.schedule(&g.executor, func() { cleanUp(&g.executor) })
	}
}

// disconnectWith has the kick of a member with that epoch disconnect its socket, too.
func (r *ownRoom) disconnectWith(connID string, epoch int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.owned[connID]; m != nil {
		m.disconnectEpoch = epoch
	}
}

// writer is where what is written of the member takes its turn: its room session's or its grace's;
// nil when it has neither. The room's lock is held.
func (m *ownedMember) writer() *serial.Executor {
	switch {
	case m.session != nil:
		return m.session.Executor()
	case m.grace != nil:
		return &m.grace.executor
	}
	return nil
}

// detach takes the member from its session by the socket's own doing: to leave the room, or to
// live on without a socket.
func (m *ownedMember) detach(leaving bool) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if shown := r.rep.Member(m.connID); shown != nil && r.owned[m.connID] == m {
		shown.SeenMs = r.rep.LastSeenMs(shown) // the socket cannot be asked any more
	}
	r.removeListener(&m.listener)
	m.session, m.leaving = nil, leaving
}

// isOwn reports whether an owned member is still this node's.
func (r *ownRoom) isOwn(m *ownedMember) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owned[m.connID] == m
}

// ownedEpoch is the epoch of the owned member of a connection; 0: there is none.
func (r *ownRoom) ownedEpoch(connID string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if own := r.owned[connID]; own != nil {
		return own.epoch.Load()
	}
	return 0
}

// Owns reports whether a member of the connection is this node's and not on its way out. It
// implements replica.Owner. The lock is held.
func (r *ownRoom) Owns(connID string) bool {
	own := r.owned[connID]
	return own != nil && !own.leaving
}
