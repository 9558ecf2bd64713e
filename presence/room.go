package presence

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keylock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// room is a node's replica of a room in which it has sockets, and those sockets.
type room struct {
	eng  *engine
	id   string
	refs int // guarded by eng.mu

	ready chan struct{} // closed when open is done
	err   error         // why it failed; set before ready closes
	sub   store.Subscription

	hooked    bool // the hooks were told that it opened
	closeOnce sync.Once

	// moves locks each member, by connId, that this node is taking over. Two of its
	// own writes that make the same node their owner count from the same epoch, and
	// the store would take one for a repeat of the other.
	moves keylock.Locks[string]

	mu sync.Mutex
	// pos is where the store stood when the replica was last in line with it,
	// shown the seq of the last event that clients were to see, and floor what
	// some may have been told before the store lost data and counts from below.
	pos     store.Position
	shown   int64
	floor   int64
	heardAt time.Time // when the replica was last in line with the store
	readAt  time.Time // when the load began that it is from
	members map[string]*member
	// loading holds the events back while a load is under way.
	loading bool
	again   bool // once more after that
	keeping bool // some members are shown that the store lost
	asking  bool // the other nodes are to be asked about these
	// users are the connections of each user by what is shown; nil while that is
	// what the store has, whose own count goes with each event.
	users   map[string]int
	looking bool // the room is to be loaded again while users are counted
	suspect bool // it may have lost writes
	// heard is where the last event stood that came over the bridge.
	heard store.Position
	gone  tombstones
	held  heldEvents

	owned    map[string]*membership // by connId
	audience []*membership          // those whose sockets hear the room
	watchers []*watcher
	arrivals []*arrival

	snap    *snapshot  // the last that was shared; it may be old
	want    sharedText // waits to become the next; nil: none does
	askers  []*asker   // who waits to be answered with one
	serving bool       // a goroutine sees to them
}

// member is a member as this node knows it.
type member struct {
	store.Member
	seenMs int64 // when it was last heard of, as far as the store tells
	// keepUntil: the store lost it; shown on until then for its owner to restore it.
	keepUntil time.Time
	// unsure: the store did not have it when last read.
	unsure bool
}

// position is where the replica stands, as the store shall know it: what was
// shown here is the least that it may count on from.
func (r *room) position() store.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return store.Position{Seq: r.at(), Born: r.pos.Born}
}

// at is the seq that the replica's clients stand at. The lock is held.
func (r *room) at() int64 { return max(r.pos.Seq, r.shown, r.floor) }

// HandleEvent implements store.Receiver.
func (r *room) HandleEvent(e store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading {
		r.hold(e)
		return
	}
	r.take(&e)
}

// HandleCast implements store.Receiver; casts are the cluster adapter's.
func (r *room) HandleCast(string, []byte) {}

// HandleInterrupt implements store.Receiver: whatever was missed, a refetch
// finds it.
func (r *room) HandleInterrupt(_ string, lost bool) { r.doubt(lost) }

// doubt has the room loaded again, not at once with all others of all nodes.
func (r *room) doubt(lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspect = r.suspect || lost
	r.eng.clock.AfterFunc(jitter(), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refetch()
	})
}

// maxJitter is over what time nodes spread what an outage makes all of them do.
const maxJitter = time.Second

func jitter() time.Duration { return rand.N(maxJitter) }

// take decides what an event is to the replica: the next one, an old one, or
// the sign of a gap. The lock is held.
func (r *room) take(e *store.Event) {
	backwards := e.Born == r.heard.Born && e.Seq <= r.heard.Seq
	if e.Born == r.pos.Born {
		e.Born = r.pos.Born // one copy, not one with all that arrived in it
	}
	r.heard = e.Position
	if !backwards && e.Seq > r.pos.Seq && r.follows(e) {
		r.apply(e)
		return
	}
	left := r.leaves(e)
	r.suspect = r.suspect || backwards // the store lost what had this number before
	if backwards || left || e.Seq > r.pos.Seq || e.Born != r.pos.Born {
		r.refetch() // what came before the load is in it, this event too
	} // else it is known: published before the load that the replica is from
}

// epochOf is the highest epoch of a connId that the room has shown or heard to
// leave lately.
func (r *room) epochOf(connID string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	epoch := r.gone.of[connID].epoch
	if m := r.members[connID]; m != nil {
		epoch = max(epoch, m.Epoch)
	}
	return epoch
}

// follows tells whether nothing is missing between the replica and an event.
func (r *room) follows(e *store.Event) bool {
	if e.Prev == 0 && len(r.members) == 0 {
		return true // it began the record, which holds nothing else
	}
	return e.Born == r.pos.Born && !e.Reset && e.Prev <= r.pos.Seq && !r.changesUser(e)
}

// changesUser tells whether an event gives a member to another user without
// the leave between: that is two events to clients, which a load makes.
func (r *room) changesUser(e *store.Event) bool {
	old := r.members[e.Member.ConnID]
	return old != nil && old.UserID != e.Member.UserID && e.Intent != store.IntentLeave
}

// fewMembers is up to how many it costs nothing to count a user's connections
// at each event.
const fewMembers = 32

// apply makes the event part of the replica and shows it. The lock is held.
func (r *room) apply(e *store.Event) {
	r.pos, r.heardAt = e.Position, r.eng.clock.Now()
	old := r.members[e.Member.ConnID]
	event := r.describe(e, old)
	switch {
	case e.Intent == store.IntentLeave:
		delete(r.members, e.Member.ConnID)
		if old != nil {
			r.countUser(old.UserID, -1)
		}
		r.noteLeft(lifeOf(e, old), e.Reason, r.heardAt)
	case old != nil && old.unsure && old.Owner == e.Member.Owner && old.newerThan(&e.Member):
		event = nil // of before the store lost what is shown
	case r.takenOverLate(e, old):
		event = nil
		r.countUsersHere()
		r.lookAgain()
		r.eng.leaveAgain(r.id, &e.Member, r.gone.reason(e.Member.ConnID))
	default:
		m := r.noticed(e.Member, e.AtMs, old)
		r.markSilent(m, e.AtMs, old)
		r.tellSeen(event, m)
		r.share(m, old)
		r.members[m.ConnID] = m
		if old == nil {
			r.countUser(m.UserID, 1)
		}
	}
	if event != nil && (r.users != nil || len(r.members) < fewMembers) {
		// The store counts what it has, this is what is shown: the same, but
		// for events that were on their way when the store lost data.
		event.UserConns = r.connsOf(event.UserID)
	}
	r.show(event, &e.Member)
	r.follow(e)
	if e.Intent == store.IntentRestore {
		r.refuse(&e.Member)
	}
}

// takenOverLate tells whether an event is about a member that had left, and that a
// claimant who did not hear of that took over, or shows away, since the store had
// it back. What a node restores is refuse's. The lock is held.
func (r *room) takenOverLate(e *store.Event, old *member) bool {
	m := &e.Member
	return e.Intent != store.IntentRestore && m.UntilMs > 0 && old == nil && r.owned[m.ConnID] == nil &&
		r.gone.knows(m) && r.gone.has(m, r.heardAt)
}

// refuse removes a member again that this node removed lately, and another one
// restored that did not know. The lock is held.
func (r *room) refuse(m *store.Member) {
	if reason, ok := r.eng.departed.of(r.id, m, r.eng.clock.Now()); ok && r.owned[m.ConnID] == nil {
		r.eng.leaveAgain(r.id, m, reason)
	}
}

// lifeOf is the member that an event says to have left: the event does not say
// since when it was there.
func lifeOf(e *store.Event, old *member) *store.Member {
	left := e.Member
	left.JoinedMs = 0
	if old != nil {
		left.JoinedMs = old.JoinedMs
	}
	return &left
}

// share makes what a member has in common with what is known one copy: else it
// would hold on to the whole message that it came with.
func (r *room) share(m, old *member) {
	m.Owner = r.eng.intern(m.Owner)
	if own := r.owned[m.ConnID]; own != nil && own.userID == m.UserID {
		m.ConnID, m.UserID = own.connID, own.userID
		if m.Life == own.life {
			m.Life = own.life
		}
	}
	if old != nil && string(old.State) == string(m.State) {
		m.State = old.State
	}
}

// describe is what clients shall hear of an event, if anything.
func (r *room) describe(e *store.Event, old *member) *Event {
	m := &e.Member
	event := &Event{
		RoomID: r.id, UserID: m.UserID, ConnID: m.ConnID, State: m.State,
		Time: time.UnixMilli(e.AtMs), Epoch: m.Epoch, Seq: e.Seq, UserConns: e.UserConns,
		Status: statusOf(m.Away),
	}
	switch {
	case e.Intent == store.IntentLeave:
		if old == nil {
			return nil
		}
		event.Type, event.Reason, event.State, event.Status = EventLeave, e.Reason, nil, ""
	case old == nil:
		event.Type, event.fresh = EventJoin, true
	case e.Intent == store.IntentJoin && m.Epoch > old.Epoch:
		event.Type = EventJoin
	case e.Intent == store.IntentUpdate || !sameToClients(&old.Member, m):
		event.Type = EventUpdate
	default:
		return nil
	}
	return event
}

// countUser counts a member of a user in or out, where users are counted. The lock is
// held.
func (r *room) countUser(user string, by int) {
	if r.users == nil {
		return
	}
	if r.users[user] += by; r.users[user] == 0 {
		delete(r.users, user)
	}
}

// countUsersHere begins to count users. The lock is held.
func (r *room) countUsersHere() {
	if r.users == nil {
		r.users = countUsers(r.members)
	}
}

// connsOf is how many members a user has, by the replica. The lock is held.
func (r *room) connsOf(user string) (n int) {
	if r.users != nil {
		return r.users[user]
	}
	for _, m := range r.members {
		if m.UserID == user {
			n++
		}
	}
	return n
}

// sameToClients reports whether nothing that a client shows differs.
func sameToClients(a, b *store.Member) bool {
	return a.Away == b.Away && string(a.State) == string(b.State)
}

// show gives an event to all who hear the room, and tells who waits for this
// member that it arrived. A nil event is one that clients need not see. The
// lock is held.
func (r *room) show(event *Event, m *store.Member) {
	var f frame
	if event != nil {
		// After data was lost the store may count from below what was shown.
		event.Seq, event.Prev = max(event.Seq, r.shown+1, r.floor+1), r.shown
		r.shown = event.Seq
		if len(r.audience) > 0 || len(r.arrivals) > 0 {
			f = r.eng.frameOf(event)
		}
		for _, own := range r.audience {
			own.seat.sock.peer.deliver(f)
		}
		for _, w := range r.watchers {
			w.deliver(*event)
		}
	}
	for _, a := range r.arrivals {
		if a.isFor(m) {
			if event != nil && event.Type == EventJoin {
				a.complete(f, event.Seq)
			} else {
				a.complete(nil, r.at())
			}
		}
	}
}

// follow is what an event means to the member's owner, if that was this node:
// taken over by another node, or removed by one. The lock is held.
func (r *room) follow(e *store.Event) {
	m := r.owned[e.Member.ConnID]
	if m == nil {
		return
	}
	epoch := m.epoch.Load()
	switch {
	case e.Member.Epoch == epoch && e.Member.Owner != m.owner:
		// Of another life that came by the same epoch, maybe long ago.
		if m.seat != nil {
			r.question(m)
		}
	case e.Intent == store.IntentLeave:
		switch {
		case e.Member.Epoch < epoch:
		case e.Reason == ReasonNodeLost && m.seat != nil && !m.leaving:
			r.restoreLive(m) // the node was taken for dead
		default:
			if !m.leaving { // another node removed it, and may die before it repeats that
				left := store.Member{ConnID: m.connID, UserID: m.userID, Epoch: e.Member.Epoch, Owner: m.owner, JoinedMs: m.joinedMs.Load()}
				r.eng.departed.add(r.eng.newDeparture(r.id, &left, e.Reason), r.eng.clock.Now())
			}
			m.epoch.Store(e.Member.Epoch) // what comes after is above it
			r.evict(m, evictRemoved, e.Reason)
		}
	case e.Member.UntilMs > 0 && m.seat != nil && e.Member.Owner != m.owner && e.Member.Epoch > epoch:
		r.restoreLive(m) // taken over without a socket: likewise
	case e.Member.UntilMs > 0 && m.leaving && e.Member.Owner != m.owner && e.Member.Epoch > epoch:
		// The leave under way finds it where it is.
	case e.Member.Owner != m.owner && e.Member.Epoch > epoch:
		m.epoch.Store(e.Member.Epoch)
		r.evict(m, evictMoved, "")
	}
}

// lastSeenMs is the freshest life sign of a member that this node knows, by
// the store's clock. The lock is held.
func (r *room) lastSeenMs(m *member) int64 {
	if own := r.owned[m.ConnID]; own != nil && own.seat != nil {
		return max(m.seenMs, r.eng.storeTime(own.seat.sock.peer.lastPacket()))
	}
	return m.seenMs
}
