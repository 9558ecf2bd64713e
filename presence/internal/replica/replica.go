// Package replica is a room as a node knows it: who is in it by what the node loaded
// and heard, what of that clients are shown, and what follows when the two sources do
// not agree. It is pure: no clock, no store, no goroutine.
package replica

import (
	"iter"
	"maps"
	"time"
	"unique"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Settings are what all replicas of a node have in common.
type Settings struct {
	Lease time.Duration
	// SilentAfter is how long a connection is silent before its member is shown away; 0:
	// silence shows nobody away.
	SilentAfter time.Duration
	Tombstones  *Tombstones
}

// Owner tells a replica about the members that its node owns.
type Owner interface {
	// Owns reports whether the node owns the member of a connection.
	Owns(connID string) bool
	// Continues reports whether the node restored its member of a connection, whose life
	// before others had ended, in the life after.
	Continues(connID, before, after string) bool
	// Share replaces texts of a member of the node by copies that it has already.
	Share(m *store.Member)
	// SeenMs is when the socket of a member of the node was last heard of, Unix ms of the
	// store's clock; 0 when it has none.
	SeenMs(connID string) int64
}

// Now is a moment: by the node's clock, and by the store's in Unix ms.
type Now struct {
	Time    time.Time
	StoreMs int64
}

// State says how far a replica can be trusted.
type State byte

// The states of a replica.
const (
	// Loading: nothing was loaded yet.
	Loading State = iota
	// Current: the replica is in line with the store, as far as the node knows.
	Current
	// Suspect: something was missed. The room has to be loaded again.
	Suspect
	// Rebuilding: the store lost writes. It has two phases. First the room has to be loaded
	// again (awaitsLoad). From that load on, members that the store does not have are shown
	// on for RebuildTime, for their owners to restore them, or for DoubtTime.
	Rebuilding
)

// RebuildTime is how long members that the store lost are shown on, from the first load
// after the loss. In this time all nodes reconnect, load the room and restore their members,
// some after a failed try. If it is too short, members are shown to leave and to join again;
// if it is long, one that left at the moment of the loss is shown for longer.
const RebuildTime = 10 * time.Second

// DoubtTime is how long they are shown on when a loss is only likely. In this time the word of
// a loss arrives at the latest: two life signs may fail. If it does not, all had left.
const DoubtTime = 3 * time.Second

// Replica is a room as a node knows it. It is not safe for use by several goroutines at
// the same time: whoever holds it has a lock.
type Replica struct {
	settings *Settings
	room     string
	owner    Owner

	// pos is where the store stood when the replica was last in line with it, shown the
	// seq of the last event that clients saw, and floor what some may have been told
	// before the store lost data and counts from below.
	pos          store.Position
	shown, floor int64
	// received is where the last event stood that came over the bridge.
	received store.Position
	members  map[string]*Member
	roster   roster

	state State
	// missing are the members that are shown although the store did not have them so at
	// the last load. until is when a rebuilding stops to show those of other nodes. It is
	// zero before the first load, which a store that lost data may not answer for long.
	missing map[string]struct{}
	until   time.Time
	// sure: the room is rebuilt for a loss that is certain.
	sure bool
	// lossAt is when the room last showed that the store lost data for certain, or was first
	// loaded after that: the owners find out only by the load what is missing.
	lossAt time.Time
}

// Member is a member as the replica shows it.
type Member struct {
	store.Member
	// SeenMs is when it was last heard of, as far as the store tells: Unix ms of the
	// store's clock.
	SeenMs int64
	// Text is for whoever shows the replica; nil in a new Member.
	Text *Text
}

// Text is a member as clients are sent it, and when that was made.
type Text struct {
	B  []byte
	At time.Time
}

// New returns an empty replica of a room, to be loaded.
func New(room string, s *Settings, owner Owner) *Replica {
	return &Replica{settings: s, room: room, owner: owner, members: make(map[string]*Member)}
}

// Position is where the replica stands, as the store shall know it: the store goes on above
// what was shown. Leaves that a load showed may have numbers that the store has not given
// yet. Then the position has no generation, since the store is not behind: it lost nothing.
func (r *Replica) Position() store.Position {
	p := store.Position{Seq: r.Seq(), Born: r.pos.Born}
	if r.shown > r.pos.Seq && r.floor <= r.pos.Seq {
		p.Born = ""
	}
	return p
}

// Seq is the number that clients stand at.
func (r *Replica) Seq() int64 { return max(r.pos.Seq, r.shown, r.floor) }

// Loaded is the position of the last load or event.
func (r *Replica) Loaded() store.Position { return r.pos }

// IsCurrent reports whether a client that stands at seq has missed nothing: a number
// that clients need not see does not make theirs old.
func (r *Replica) IsCurrent(seq int64) bool { return seq >= r.shown && seq <= r.Seq() }

// Member returns what is shown of a connection; nil for nothing.
func (r *Replica) Member(connID string) *Member { return r.members[connID] }

// Len is how many members are shown.
func (r *Replica) Len() int { return len(r.members) }

// All yields the members that are shown, in no order.
func (r *Replica) All() iter.Seq[*Member] { return maps.Values(r.members) }

// State tells how far the replica can be trusted.
func (r *Replica) State() State { return r.state }

// LossTime is how long after a loss of data a missing member counts as lost, whatever else
// is known. It covers the jitter of the load (1 s), the load and the read of the check (2 s
// each at most). It is shorter than RebuildTime, because in this time an owner also restores
// a member that somebody removed without a word that is heard: a kick whose event is lost is
// undone. After it the owner still restores what it began to restore, and what was in a record
// of the room that is gone; other missing members count as removed.
const LossTime = 5 * time.Second

// LostData reports whether the room showed that the store lost data, within LossTime, or
// within LossTime of its first load after that.
func (r *Replica) LostData(now time.Time) bool {
	return !r.lossAt.IsZero() && now.Sub(r.lossAt) < LossTime
}

// Suspect notes that something was missed.
func (r *Replica) Suspect() {
	if r.state == Current {
		r.state = Suspect
	}
}

// Lost notes that the store lost data. surely is false when it is only likely: the
// room has another record, but all of its members may have left meanwhile.
func (r *Replica) Lost(now time.Time, surely bool) {
	if surely {
		r.lossAt = now
	}
	if r.state != Loading {
		r.sure = surely || r.sure && r.state == Rebuilding
		r.state, r.until = Rebuilding, time.Time{}
	}
}

// awaitsLoad reports whether the room was not loaded since the loss that it is rebuilt for.
func (r *Replica) awaitsLoad() bool { return r.state == Rebuilding && r.until.IsZero() }

// RebuildEnds returns when a rebuilding that shows missing members ends, and false when
// there is none.
func (r *Replica) RebuildEnds() (time.Time, bool) {
	return r.until, r.state == Rebuilding && len(r.missing) > 0
}

// Missing reports whether a member is shown although the store does not have it so.
func (r *Replica) Missing(connID string) bool {
	_, ok := r.missing[connID]
	return ok
}

// stands notes that the store has a member as it is shown, or that it is not shown any
// more.
func (r *Replica) stands(connID string) {
	delete(r.missing, connID)
	if r.state == Rebuilding && !r.awaitsLoad() && len(r.missing) == 0 {
		r.state = Current
	}
}

// ContinueLife makes what is shown of a member part of its next life, if this node restored it
// in that, and its clients did not see the leave between: to them it never left.
func (r *Replica) ContinueLife(connID, life string) {
	if shown := r.members[connID]; shown != nil && shown.Life != life && r.owner.Continues(connID, shown.Life, life) {
		shown.Life = life
	}
}

// ended tells whether the life of a member is known to have ended.
func (r *Replica) ended(life string, now time.Time) (Tombstone, bool) {
	return r.settings.Tombstones.Of(life, now)
}

// intern returns a copy of a node's id that shares no memory with the message it came in.
// Members that come at about the same time have one copy.
func intern(node string) string { return unique.Make(node).Value() }

// number gives a change its place in what clients see.
func (r *Replica) number(c *Change) {
	// After a data loss the store may count from below what was shown.
	c.Seq, c.Prev = max(c.Seq, r.shown+1, r.floor+1), r.shown
	r.shown = c.Seq
	c.RoomID = r.room
}

// fewMembers is up to how many it costs nothing to count a user's connections at each
// event.
const fewMembers = 32

// connsOf is how many members a user has, by what is shown.
func (r *Replica) connsOf(user string) (n int) {
	for _, m := range r.members {
		if m.UserID == user {
			n++
		}
	}
	return n
}

// isNewerThan reports whether a record is from before what is shown of its connection.
func (m *Member) isNewerThan(stored *store.Member) bool {
	if stored.Epoch != m.Epoch {
		return stored.Epoch < m.Epoch
	}
	return stored.Owner == m.Owner && stored.Write < m.Write
}

// LastSeenMs is the freshest life sign of a member that the node knows, Unix ms of the
// store's clock.
func (r *Replica) LastSeenMs(m *Member) int64 { return max(m.SeenMs, r.owner.SeenMs(m.ConnID)) }
