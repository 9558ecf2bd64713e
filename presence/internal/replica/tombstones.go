package replica

import (
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// TombstoneTime is how long a node remembers that a life ended. It is above the
	// longest failover: a store that went back by less is told again who left.
	TombstoneTime = time.Minute
	// MaxTombstones bounds those that a node keeps. The oldest go first.
	MaxTombstones = 1 << 16
)

// Tombstone says that the life of a member ended. A life that has ended never comes
// back: a record, an event or a token that names it is stale.
type Tombstone struct {
	Life   string
	Room   string
	ConnID string
	UserID string
	// Owner is the node whose member it was at the end.
	Owner  string
	Reason store.Reason
	// Epoch is the one that it had at the end, or a lower one; 0: that is not known.
	Epoch int64
	// Mine says that this node removed the member. It removes it again when the store
	// may have lost that.
	Mine bool

	at time.Time
	// heard says that the event of the leave came over the bridge: what comes after that
	// was written after it.
	heard bool
}

// EndOf is that the life of a member of a room ended.
func EndOf(room string, m *store.Member, why store.Reason) Tombstone {
	return Tombstone{Life: m.Life, Room: room, ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Reason: why, Epoch: m.Epoch}
}

// UserEntry is the entry in the index of users that the member had.
func (t *Tombstone) UserEntry() store.UserEntry {
	return store.UserEntry{UserID: t.UserID, Room: t.Room, ConnID: t.ConnID, Life: t.Life}
}

// Tombstones are the lives that ended lately, as far as a node did it or heard of it.
// All methods may be called at the same time; none blocks.
type Tombstones struct {
	mu    sync.Mutex
	of    map[string]*Tombstone // by life
	order []*Tombstone          // oldest first
}

// Add remembers the end of a life. What is known of that life already stays, but for
// Mine. Nothing is remembered of a member without a life.
func (s *Tombstones) Add(t Tombstone, now time.Time) {
	if t.Life == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now, MaxTombstones)
	if known := s.of[t.Life]; known != nil {
		known.Mine = known.Mine || t.Mine
		known.heard = known.heard || t.heard
		return
	}
	s.expire(now, MaxTombstones-1)
	if s.of == nil {
		s.of = make(map[string]*Tombstone)
	}
	// The texts may be part of a large message.
	kept := &Tombstone{
		Life: strings.Clone(t.Life), Room: strings.Clone(t.Room), ConnID: strings.Clone(t.ConnID),
		UserID: strings.Clone(t.UserID), Owner: intern(t.Owner), Reason: known(t.Reason), Mine: t.Mine, at: now,
		heard: t.heard, Epoch: t.Epoch,
	}
	s.of[kept.Life] = kept
	s.order = append(s.order, kept)
}

// endMs is when the life ended at the latest, by the store's clock in Unix ms.
func (t *Tombstone) endMs(now Now) int64 { return now.StoreMs - now.Time.Sub(t.at).Milliseconds() }

// Of returns the tombstone of a life, and false if there is none.
func (s *Tombstones) Of(life string, now time.Time) (Tombstone, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of[life]
	if t == nil || now.Sub(t.at) > TombstoneTime {
		return Tombstone{}, false
	}
	return *t, true
}

// Mine returns the tombstones of members that this node removed, by room.
func (s *Tombstones) Mine(now time.Time) map[string][]Tombstone {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms := make(map[string][]Tombstone)
	for _, t := range s.order {
		if t.Mine && now.Sub(t.at) <= TombstoneTime {
			rooms[t.Room] = append(rooms[t.Room], *t)
		}
	}
	return rooms
}

// Expire forgets those whose time is over. It is called now and then: when nobody
// leaves for hours, Add does not do it.
func (s *Tombstones) Expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now, MaxTombstones)
	if len(s.order) == 0 {
		s.of, s.order = nil, nil // a map never shrinks
	}
}

// expire drops tombstones that are too old, and the oldest above a number. The lock is
// held.
func (s *Tombstones) expire(now time.Time, most int) {
	old := 0
	for old < len(s.order) && (now.Sub(s.order[old].at) > TombstoneTime || len(s.order)-old > most) {
		delete(s.of, s.order[old].Life)
		old++
	}
	clear(s.order[:old])
	s.order = s.order[old:]
}

// known is a reason that shares no memory with the message that it came in.
func known(reason store.Reason) store.Reason {
	for _, r := range []store.Reason{
		store.ReasonDisconnect, store.ReasonLeave, store.ReasonTimeout, store.ReasonNodeLost, store.ReasonShutdown,
		store.ReasonKicked,
	} {
		if reason == r {
			return r
		}
	}
	return store.Reason(strings.Clone(string(reason)))
}

// Len is how many are remembered.
func (s *Tombstones) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}
