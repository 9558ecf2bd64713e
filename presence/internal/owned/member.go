package owned

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Session is the side of a member's socket that a room knows: the socket's place in the room.
// None of its methods blocks. Those that say so are called with the room's lock held.
type Session interface {
	// Executor is where what is written of the member takes its turn.
	Executor() *serial.Executor
	// Deliver queues a frame. The room's lock is held.
	Deliver(f rooms.Frame)
	// LastPacket is when the client last sent anything at all.
	LastPacket() time.Time
	rooms.Recipient
	// Closed reports whether the engine was told that the socket has ended.
	Closed() bool
	// Take makes the member the socket's, and PutBack the one that it had before, which Take
	// returned. The room's lock is held.
	Take(m *Member) (before *Member)
	PutBack(before *Member)
	// ShowAgain has the member shown away or online if a write that should have done that
	// found it missing. The room's lock is held.
	ShowAgain(m *Member)
	// Evicted takes the member from the socket after an eviction. Before any request that
	// waits the socket leaves the room, and with cut it is disconnected for good if it is
	// in no other; then cleanUp runs. The room's lock is held.
	Evicted(m *Member, cut bool, cleanUp func(*serial.Executor))
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

// Member is a member that this node owns. What an executor writes is touched by
// that executor alone: its room session's while it has one, its grace's after that.
type Member struct {
	Room           *Room
	ConnID, UserID string
	IDSocket       IDSocket // the socket of this node whose id is the connId; nil if there is none
	// owner is the node id under which it stands in the store, life the name of its life and
	// newer what a node of a later version wrote of it. Only its executor changes them, with the
	// room's lock held.
	owner, Life, newer string

	// Epoch is the stored epoch, ClientEpoch the one that the client must send. A restore
	// raises only the first.
	Epoch, ClientEpoch atomic.Int64
	write              atomic.Int64 // number of the last one that counts
	joinedMs           atomic.Int64 // 0 until the store has answered the join

	// Of the executor.
	state          []byte
	token          string // "" when the node only ever saw the digest
	digest         store.Digest
	Away           atomic.Bool  // it is stored as away, although it may have a socket
	inDoubtUntilMs atomic.Int64 // until when a restore without an answer may still take effect
	// Guarded by Room.Mu, and written by its executor alone.
	GraceMs int64
	// wrongSince is since when the store was found not to have the member as it should
	// without a word why; zero: it is not so.
	wrongSince time.Time
	// restoring: a write that brings it back may have taken effect, and the indexes
	// do not have it yet.
	restoring bool

	// Guarded by Room.Mu.
	Session  Session        // nil in grace and when gone
	Grace    *grace         // nil while it has a socket
	listener rooms.Listener // what its socket hears the room by
	// Leaving: this node is removing it and cleans up behind itself.
	Leaving bool
	// Gone is why somebody removed it, once that is known and until the room shows its
	// leave (GiveUpLocked). Empty: it is not gone.
	Gone store.Reason
	// lifeBefore is the life that others ended and that Life goes on from; empty: there is none.
	lifeBefore string
	// disconnectEpoch is the epoch for which a kick was announced that also disconnects the
	// socket.
	disconnectEpoch int64
	checks          checkState
}

// setGrace takes a join's grace: with one the member can be resumed with its
// token, which stays the same for its whole life.
func (m *Member) setGrace(graceMs int64) {
	m.Room.Mu.Lock()
	m.GraceMs = graceMs
	m.Room.Mu.Unlock()
	if graceMs == 0 {
		m.digest = store.Digest{}
		return
	}
	if m.token == "" {
		m.token = newToken(m.ConnID)
	}
	m.digest = digestOf(m.token)
}

// newLife names an owned member, from its join to its leave, with 72 random bits. It is no
// secret, and costs less than one.
func newLife() string {
	var raw [9]byte
	binary.LittleEndian.PutUint64(raw[:], mathrand.Uint64())
	raw[8] = byte(mathrand.Uint32())
	var text [12]byte
	base64.RawURLEncoding.Encode(text[:], raw[:])
	return string(text[:])
}

// A resume token is the connId that it takes over, a dot, and a secret of 128
// bits; a server finds the member by the first half and knows the client by
// the digest of the whole.
func newToken(connID string) string { return connID + "." + core.RandomID(16) }

// tokenConn returns the connId in a token, and "" for text that is no token.
func tokenConn(token string) string {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return ""
	}
	return token[:i]
}

// digestOf is what the store keeps of a token.
func digestOf(token string) store.Digest {
	if token == "" {
		return store.Digest{}
	}
	sum := sha256.Sum256([]byte(token))
	return store.Digest(sum[:len(store.Digest{})])
}

// await has an event of the member awaited that this node writes with an epoch and a write of
// that number, or a later one.
func (m *Member) await(epoch, write int64) *rooms.Waiter {
	return m.Room.AddWaiter(m.ConnID, m.owner, epoch, write)
}

// ackJoin acknowledges a join with the room as it is at that moment; from then on the
// socket hears the room's events. It fails when this node does not own the member any more,
// or when a large snapshot does not get its turn in time.
func (m *Member) ackJoin(s Session, a rooms.Acker, came *rooms.Waiter, resumed bool, p *wire.Join) error {
	w := &rooms.SnapshotWaiter{To: s, NoReply: !a.Wanted(), Part: p.Format.Limit.Given}
	w.Reply = func(snap *rooms.Snapshot) error { return m.attach(s, a, snap, came, resumed, p) }
	return m.Room.Answer(w)
}

// attach gives the member to the session and answers, if there is a snapshot to
// answer with. The room's lock is held.
func (m *Member) attach(s Session, a rooms.Acker, snap *rooms.Snapshot, came *rooms.Waiter, resumed bool, p *wire.Join) error {
	r := m.Room
	stands := r.Rep.Member(m.ConnID)
	if r.Owned[m.ConnID] != m || stands == nil {
		return wire.ErrRemoved
	}
	if string(stands.State) == string(m.state) {
		stands.State = m.state // one copy
	}
	heard, before, sessionBefore := m.listener.To != nil, s.Take(m), m.Session
	m.Session = s
	ack := wire.JoinAck{
		ConnID: m.ConnID, Epoch: m.ClientEpoch.Load(), GraceMs: m.GraceMs, Token: m.token, Resumed: resumed,
		Sender: p.Sender, Format: p.Format,
	}
	if snap != nil && !r.AnswerJoin(a, &ack, snap) {
		s.PutBack(before)
		m.Session = sessionBefore
		return rooms.ErrWait
	}
	m.checks.drop()
	r.postCheck(m) // that was due meanwhile
	if snap == nil {
		if a.Wanted() { // its socket is gone
			return nil
		}
		a.Answer(nil)
	}
	r.AddListener(&m.listener, s, p.Format)
	if !heard && !resumed && !p.Format.Batch && came.Event != nil && came.Seq == r.Rep.Seq() {
		s.Deliver(came.Event)
	}
	return nil
}

// Public is the member as clients see it, if they see it.
func (m *Member) Public() (wire.Member, bool) {
	r := m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if shown := r.Rep.Member(m.ConnID); shown != nil && r.Owned[m.ConnID] == m {
		return rooms.PublicMember(&shown.Member, r.Rep.LastSeenMs(shown)), true
	}
	return wire.Member{}, false
}

// Record is the member as it is to be stored, without a running grace.
func (m *Member) Record() store.Member {
	return store.Member{
		ConnID: m.ConnID, UserID: m.UserID, Owner: m.owner,
		Epoch: m.Epoch.Load(), Write: m.write.Load(),
		Life: m.Life, JoinedMs: m.joinedMs.Load(), GraceMs: m.GraceMs, Token: m.digest, State: m.state, Away: m.Away.Load(),
		Newer: m.newer,
	}
}

// userEntry is what the index has of where the user is.
func (m *Member) userEntry() store.UserEntry {
	return store.UserEntry{UserID: m.UserID, Room: m.Room.ID, ConnID: m.ConnID, Life: m.Life}
}

// conn is what the record of the connection has of the member.
func (m *Member) conn() store.Conn { return m.connSeen(m.Room.all.StoreNow()) }

// connSeen is conn for a connection that was heard at a time of the store's clock.
func (m *Member) connSeen(seen int64) store.Conn {
	return store.Conn{ConnID: m.ConnID, UserID: m.UserID, Room: m.Room.ID, Node: m.owner, Epoch: m.Epoch.Load(), SeenMs: seen}
}

// evict makes a member none of this node's, and takes it from its socket. With a reason, somebody
// removed it. Without one it moved: another socket has it by now, of this node or of another one.
// The room's lock is held.
func (r *Room) evict(m *Member, reason store.Reason) {
	ms, s, g, leaving, moved := r.all, m.Session, m.Grace, m.Leaving, reason == ""
	cut := m.disconnectEpoch == m.Epoch.Load() && reason == store.ReasonKicked
	var above int64
	if !leaving { // it was removed by others, who may have raised its epoch first
		above = unheardEpochs
	}
	r.removeOwned(m, above)
	m.Session = nil
	if moved && m.IDSocket != nil {
		m.IDSocket.IDTaken()
	}
	now := ms.Clock.Now()
	cleanUp := func(l *serial.Executor) {
		switch {
		case leaving || moved: // the leave under way, or the new owner, sees to its entries
		case m.inDoubtUntilMs.Load() > 0: // a restore without an answer may bring it back
			ms.MarkInDoubt(l, m.removing(store.ReasonDisconnect))
		default:
			ms.Retries.CarryOut(l, now, m.erase)
		}
	}
	switch {
	case s != nil:
		s.Evicted(m, cut, cleanUp)
	case g != nil:
		ms.Schedule(&g.executor, func() { cleanUp(&g.executor) })
	}
}

// Writer is where what is written of the member takes its turn: its room session's or its grace's;
// nil when it has neither. The room's lock is held.
func (m *Member) Writer() *serial.Executor {
	switch {
	case m.Session != nil:
		return m.Session.Executor()
	case m.Grace != nil:
		return &m.Grace.executor
	}
	return nil
}

// Detach takes the member from its session by the socket's own doing: to leave the room, or to
// live on without a socket.
func (m *Member) Detach(leaving bool) {
	r := m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if shown := r.Rep.Member(m.ConnID); shown != nil && r.Owned[m.ConnID] == m {
		shown.SeenMs = r.Rep.LastSeenMs(shown) // the socket cannot be asked any more
	}
	r.RemoveListener(&m.listener)
	m.Session, m.Leaving = nil, leaving
}

// AnswerSyncs answers syncs of the member's socket; see rooms.Room.AnswerSyncs.
func (m *Member) AnswerSyncs(to rooms.Recipient, asks []rooms.SyncAsk) ([]rooms.SyncAsk, error) {
	m.Room.Mu.Lock()
	f := m.listener.Format
	m.Room.Mu.Unlock()
	return m.Room.AnswerSyncs(to, asks, f, m.ConnID)
}
