// Package store defines where members live and how their events travel between
// nodes. It holds only the interface and its types, so that the presence engine
// and every store can import it without importing each other.
//
// A store keeps three kinds of record: rooms (the truth about who is a member),
// connections (prs:conn, for outside readers) and two indexes (in which rooms a
// node may have members, where a user is). Each method is one step against one of
// them; the engine decides their order and what to do when a step fails.
package store

import (
	"context"
	"errors"
)

// Errors that stores return, wrapped with what was being done.
var (
	// ErrUnavailable says that the store did not answer in time. A write that
	// returned it is in doubt: it may have been carried out, or may still be
	// until its ExpiresMs.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("store closed")
)

// Store is where members live. All methods may be called at the same time from
// any goroutine, block for at most the deadline of their context, and return an
// error that wraps ErrUnavailable (or ErrClosed) when there was no answer.
// Stores keep the byte slices of a request only until the call returns. The
// slices that they hand out may share memory with others: nobody writes to them.
type Store interface {
	// StartPut writes one member into its room and, unless the request is Quiet,
	// raises the room's seq and publishes the event in the same atomic step. It does
	// not block. The waiter is told once what became of it: by StartPut itself or
	// later, some 50 ms after the context ended at the latest. The store keeps p, which
	// nobody may change, until then. PutAndWait is for callers that wait.
	StartPut(ctx context.Context, p *Put, w PutWaiter)
	// Enter is what makes a new member: AddRoom if it is asked for, a put, AddUser and
	// ConnJoin, in this order, with the put's outcome as the result. Nothing follows a
	// step that failed, or a put that was neither Applied nor Repeated. So the room's
	// entry may be left behind without the member, and the member without the entry of
	// its user, but never the other way round. To come after ExpiresMs is an error. A
	// store that can makes it a single step; Steps is for the others.
	Enter(ctx context.Context, q EnterRequest) (PutResult, error)
	// Remove takes one member out of its room, raises seq and publishes. The
	// last one out takes the room's record with it. A Remove that runs twice is
	// Missing the second time.
	Remove(ctx context.Context, r Remove) (Outcome, error)
	// Load reads a whole room. A room without a record is a Room with a zero
	// Position and no members.
	Load(ctx context.Context, room string) (Room, error)
	// LoadMembers reads some members of a room, by connId, as Load would; those
	// that do not stand are left out.
	LoadMembers(ctx context.Context, room string, connIDs []string) (Room, error)
	// ScanMembers reads a page of a room's members, about limit of them, in no
	// particular order. The cursor "" begins, and next is the cursor of the page after
	// this one, or "" when this is the last; a page before the last may be empty. A
	// member that stands from the first page to the last is in at least one of them,
	// and may be in two; others may be left out. That does not hold across a failover
	// of the store. The work of one page is bounded by limit and not by the room, and a
	// member that cannot be read is left out.
	ScanMembers(ctx context.Context, room, cursor string, limit int) (members []Member, next string, err error)
	// Positions reads where rooms stand, in the order asked; a room without a
	// record is the zero Position.
	Positions(ctx context.Context, rooms []string) ([]Position, error)

	// Subscribe delivers the room's events and casts to the receiver until
	// the subscription is closed; it returns once they are sure to flow. What
	// was published just before may be delivered too. A room may be subscribed
	// more than once; the channel stays open until the last of them is closed.
	// Receivers are called on a goroutine of the store or, in memory, of a
	// publisher, so that nobody may hold a lock of theirs while publishing.
	Subscribe(ctx context.Context, room string, r Receiver) (Subscription, error)
	// SubscribeNodes delivers what PublishNodes sends, on every node.
	SubscribeNodes(ctx context.Context, r Receiver) (Subscription, error)
	// Publish sends a cast (an opaque payload) to all subscriptions of the room, the
	// caller's included.
	Publish(ctx context.Context, room string, payload []byte) error
	// PublishNodes sends a cast to every node, the caller included.
	PublishNodes(ctx context.Context, payload []byte) error

	// AddUser notes where a user is, and renews the time to live (UserTTL) of all
	// entries of that user. It replaces the entry of another life in the same place.
	// This and every other write that carries an ExpiresMs does nothing when it runs
	// after that, and then returns an error that wraps ErrUnavailable, unless it has an
	// Outcome to say so.
	AddUser(ctx context.Context, u UserEntry) error
	// RemoveUser removes the entry of a user if it is of that life.
	RemoveUser(ctx context.Context, u UserEntry) error
	// UserMembers reads where a user is, in no particular order.
	UserMembers(ctx context.Context, userID string) ([]Location, error)

	// AddRoom notes that a node may have members in a room: what there is to look
	// through if the node dies. Running it twice is harmless.
	AddRoom(ctx context.Context, n NodeRoom) error
	// RemoveRoom takes that back.
	RemoveRoom(ctx context.Context, n NodeRoom) error
	// NodeRooms reads a page of the rooms in which a node may have members, with the
	// cursor, limit and promise of ScanMembers.
	NodeRooms(ctx context.Context, node, cursor string, limit int) (rooms []string, next string, err error)

	// ConnJoin adds a room to the connection's record and makes the node its
	// owner, creating the record if need be and renewing its time to live.
	ConnJoin(ctx context.Context, c Conn) error
	// ConnLeave removes a room from the connection's record; the last removal
	// deletes it. A room of a higher epoch stays while the record is in another
	// node's hands.
	ConnLeave(ctx context.Context, c Conn) error
	// ConnRefresh renews last_seen_ms and time to live of connections in one
	// batch; those that the node does not own any more are left alone. It
	// returns the connections whose record was missing, for ConnJoin.
	ConnRefresh(ctx context.Context, node string, seen []Seen) (missing []string, err error)

	// Beat writes a node's life sign, may mark others dead by theirs, and returns the
	// store's time and the dead nodes, in one atomic step.
	Beat(ctx context.Context, b BeatRequest) (Beat, error)
	// MarkDead marks a node dead at once. A node does that last when it stops and leaves
	// members behind. It also marks a node whose life sign is missing.
	MarkDead(ctx context.Context, node string) error
	// Retire removes the node's life sign, or its mark, and its rooms, when it has
	// nothing left to reap.
	Retire(ctx context.Context, node string) error
	// NodeStates reads how nodes stand, in the order asked.
	NodeStates(ctx context.Context, nodes []string) ([]NodeState, error)
	// Claim makes by the claimant of a dead node for ClaimTime, or prolongs
	// that. It is false when another one holds the claim. A claim ends by
	// itself, or with NodeDone.
	Claim(ctx context.Context, dead, by string) (bool, error)
	// NodeDone ends the claim on a dead node, after each pass over its rooms. The
	// node stays marked for MarkTime.
	NodeDone(ctx context.Context, dead string) error

	// Close ends every goroutine and connection of the store.
	Close(ctx context.Context) error
}

// Subscription is one interest in a room.
type Subscription interface {
	// Close ends the delivery; it does not wait for one under way and does not
	// block. It may be called more than once.
	Close()
}

// Receiver takes what arrives over the bridge. For one room the calls come one
// at a time and in the order published; they must not block.
type Receiver interface {
	// HandleEvent takes an event of a room. The receiver may keep it.
	HandleEvent(e Event)
	// HandleCast takes a payload that a node published; room is empty when it
	// was for every node. The payload is the receiver's to keep.
	HandleCast(room string, payload []byte)
	// HandleInterrupt says that the subscription was lost and is in place
	// again: anything may have been missed in between. With lost, the records
	// may have lost answered writes as well, because another server, or the same
	// one started anew, has them now: after a failover, a restart, the move of a
	// slot. room is empty for the channel of all nodes, where lost speaks of
	// every record that the store has, wherever it lies: it is said there even
	// when that channel itself was not interrupted.
	HandleInterrupt(room string, lost bool)
}

// Intent says what a write was for, so that receivers know how to show it.
type Intent byte

// The intents, as they are written on the bridge.
const (
	// IntentJoin is shown as a join.
	IntentJoin Intent = 'j'
	// IntentUpdate is shown as an update: a patched state, or a new status.
	IntentUpdate Intent = 'u'
	// IntentResume moved the member to a socket, and maybe a node, of its
	// own. It is shown as an update only where state or status differ from
	// what was shown before.
	IntentResume Intent = 'r'
	// IntentRestore brought a member back that the store had lost; each node
	// shows what its own replica lacks.
	IntentRestore Intent = 's'
	// IntentLeave is shown as a leave.
	IntentLeave Intent = 'l'
)

// Reason says why a member left or lost its connection. The values are those
// of the wire protocol.
type Reason string

// The reasons of the wire protocol.
const (
	ReasonLeave      Reason = "leave"
	ReasonDisconnect Reason = "disconnect"
	ReasonTimeout    Reason = "timeout"
	ReasonNodeLost   Reason = "node_lost"
	ReasonShutdown   Reason = "shutdown"
	ReasonKicked     Reason = "kicked"
)

// Position is where a room stands: its sequence number and its generation (Born), a random
// text that names the record which counted it. The zero Position is that of no record, and as a
// caller's expectation it means none.
type Position struct {
	Seq  int64
	Born string
}

// Digest is the first 16 bytes of the SHA-256 of a resume token; zero when the
// member has none. The token itself is never stored.
type Digest [16]byte

// Member is one (room, connId) as it is stored.
type Member struct {
	ConnID string
	UserID string
	// Owner is the node id of the node that holds the socket, or the grace.
	Owner string
	// Epoch rises at every join, resume, restore and takeover; a write from
	// an older one changes nothing.
	Epoch int64
	// Write numbers the writes of the member, so that one that runs twice is
	// known. It rises over the member's whole life.
	Write int64
	// Seq is that of the member's last published write; stores set it.
	Seq int64
	// Life names the membership from its join to its leave, whatever nodes, sockets
	// and epochs it has meanwhile: a random text without spaces. Stores compare it,
	// nothing else.
	Life string
	// JoinedMs is when the membership began, Unix ms of the store's clock. A
	// Put with 0 is given the store's time.
	JoinedMs int64
	// GraceMs is how long the member survives without a socket; 0: not at all.
	GraceMs int64
	// UntilMs is when a running grace ends, Unix ms of the store's clock; 0
	// while the member has a socket.
	UntilMs int64
	// Lost is why the connection was lost, while a grace runs. It has nothing to do with a
	// loss of data.
	Lost Reason
	// Away is whether the member is shown with status "away".
	Away bool
	// Token is the digest of the resume token.
	Token Digest
	// State is a JSON object, as the client sent it.
	State []byte
	// Newer is what a later version of the format wrote of the member and this one
	// cannot read, in a form that is the store's; empty: nothing. Who writes the member
	// hands it on, so that an older node loses nothing of it.
	Newer string
}

// Room is a whole room as it is stored.
type Room struct {
	Position
	Members []Member
}

// Put asks for one member to stand as given.
type Put struct {
	Room   string
	Intent Intent
	// Member is what shall stand. Seq is ignored; so is State with KeepState,
	// and Life, JoinedMs and Token with IntentResume, which keeps the stored ones.
	// An empty Newer keeps what stands.
	Member Member
	// Fence is the epoch that the stored member must have; 0: there must be
	// none. With IntentJoin and IntentUpdate it must be Member.Owner's as well:
	// two nodes that hear nothing of each other may come by the same epoch.
	// IntentRestore also writes where there is none. IntentResume needs
	// the stored user and token (never zero) too, and a grace that has not
	// ended; its write number is at least the stored one + 1.
	Fence int64
	// KeepState keeps the stored state, where there is a member.
	KeepState bool
	// Quiet writes without raising seq or publishing: for what no client and
	// no replica needs to hear. A write that resets is never quiet.
	Quiet bool
	// From is the position of the caller's replica. A record that is missing, behind it or
	// of another generation was lost: the write then starts a new one above both, and its
	// event says so. A Seq without Born expects nothing: it is only what the seq of the
	// write must be above.
	From Position
	// ExpiresMs is the store's time, in Unix ms, after which the write does
	// nothing; 0: never.
	ExpiresMs int64
}

// EnterRequest asks for a new member.
type EnterRequest struct {
	// Put has IntentJoin and no Fence.
	Put
	// SeenMs is when the connection last sent something, Unix ms: for its record.
	SeenMs int64
	// AddRoom adds the room to those of the member's owner, before the member is
	// written.
	AddRoom bool
}

// Outcome says what became of a write.
type Outcome byte

// The outcomes of a write.
const (
	// Applied: the write took effect now.
	Applied Outcome = iota + 1
	// Repeated: the same write took effect before; the result is that of the first time.
	Repeated
	// Fenced: the member has another epoch, owner or token; nothing was changed.
	Fenced
	// Missing: there is no such member; nothing was changed.
	Missing
	// Expired: it ran after ExpiresMs; nothing was changed.
	Expired
)

// TookEffect reports whether the write stands: it was carried out now, or before.
func (o Outcome) TookEffect() bool { return o == Applied || o == Repeated }

// PutResult is what became of a Put.
type PutResult struct {
	Outcome Outcome
	// Position is the room's position after the write; zero when Expired.
	Position
	// Member is the record after the write, unless Missing or Expired.
	Member Member
}

// Remove asks for one member to be gone.
type Remove struct {
	Room   string
	ConnID string
	// Epoch is the one that the stored member must have, Owner its owner and Life
	// its life; 0 or empty: any.
	Epoch  int64
	Owner  string
	Life   string
	Reason Reason
	// ExpiresMs is that of Put.
	ExpiresMs int64
}

// Event is one published write of a room.
type Event struct {
	Room string
	Position
	// Prev is the seq that the record had before the write; 0 when the write
	// began it.
	Prev   int64
	Reset  bool
	Intent Intent
	// AtMs is when it was decided, Unix ms of the store's clock.
	AtMs      int64
	UserConns int
	// Member is what stands after the write; with IntentLeave only ConnID,
	// UserID, Owner, Epoch, Life and JoinedMs are set, as they were.
	Member Member
	// Reason is set with IntentLeave.
	Reason Reason
}

// Conn is one room of a connection's record, whose room_id is the room's id or,
// with several rooms and for an id that begins with "[", a JSON array of ids.
type Conn struct {
	ConnID string
	UserID string
	Room   string
	Node   string
	Epoch  int64
	// SeenMs is when the connection last sent something, Unix ms.
	SeenMs int64
	// ExpiresMs is the store's time, in Unix ms, after which a write of the
	// record does nothing; 0: never.
	ExpiresMs int64
}

// Seen is when a connection last sent something, Unix ms.
type Seen struct {
	ConnID string
	SeenMs int64
}
