package owned

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keylock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Members are the members that a node owns.
type Members struct {
	*core.Node
	rooms  *rooms.Rooms
	checks *serial.FairPool // in which members are checked that the store may not have as it should
}

// New returns the members of a node that owns none. It has its rooms call them.
func New(r *rooms.Rooms) *Members {
	ms := &Members{Node: r.Node, rooms: r, checks: r.NewPool(core.LeavesAtOnce)}
	r.NewMembers = func(r *rooms.Room) rooms.Members {
		return &Room{Room: r, all: ms, Owned: make(map[string]*Member)}
	}
	return ms
}

// Acquire is Rooms.Acquire, for the room with its owned members.
func (ms *Members) Acquire(ctx context.Context, id string) (*Room, error) {
	r, err := ms.rooms.Acquire(ctx, id)
	if err != nil {
		return nil, err
	}
	return ownOf(r), nil
}

// Room is a room with the members that this node owns in it. The room's lock guards them.
type Room struct {
	*rooms.Room
	all   *Members           // of the node
	Owned map[string]*Member // by connId

	// Handoffs locks each member, by connId, that this node is taking over or checking. Two
	// of its own writes that make the same node its owner count from the same epoch, and
	// the store would take one for a repeat of the other.
	Handoffs keylock.Locks[string]
}

// ownOf is a room with the members that this node owns in it.
func ownOf(r *rooms.Room) *Room { return r.Members.(*Room) }

// Of returns the open room of an id; nil: it is not open.
func (ms *Members) Of(id string) *Room {
	if r := ms.rooms.Of(id); r != nil {
		return ownOf(r)
	}
	return nil
}

// yieldAfter is after how many rooms a walk through all lets other goroutines run: with hundreds of
// thousands of rooms it would keep them waiting until the runtime interrupts it, which is after 10 ms.
const yieldAfter = 256

// replicas yields the rooms that are open, each with its owned members; count is how many they are.
func (ms *Members) replicas() (rooms iter.Seq[*Room], count int) {
	open := ms.rooms.All()
	return func(yield func(*Room) bool) {
		for i, r := range open {
			if i%yieldAfter == yieldAfter-1 {
				runtime.Gosched()
			}
			if !yield(ownOf(r)) {
				return
			}
		}
	}, len(open)
}

// Owns reports whether a member of the connection is this node's and not on its way out. It
// implements replica.Owner. The lock is held.
func (r *Room) Owns(connID string) bool {
	own := r.Owned[connID]
	return own != nil && !own.Leaving
}

// Continues implements replica.Owner. The lock is held.
func (r *Room) Continues(connID, before, after string) bool {
	own := r.Owned[connID]
	return own != nil && own.lifeBefore == before && own.Life == after
}

// Share implements replica.Owner. The lock is held.
func (r *Room) Share(m *store.Member) {
	if own := r.Owned[m.ConnID]; own != nil && own.UserID == m.UserID {
		m.ConnID, m.UserID = own.ConnID, own.UserID
		if m.Life == own.Life {
			m.Life = own.Life
		}
	}
}

// SeenMs implements replica.Owner. The lock is held.
func (r *Room) SeenMs(connID string) int64 {
	if own := r.Owned[connID]; own != nil && own.Session != nil {
		return r.all.StoreTime(own.Session.LastPacket())
	}
	return 0
}

// Listener implements rooms.Members. The lock is held.
func (r *Room) Listener(connID string) *rooms.Listener {
	if m := r.Owned[connID]; m != nil {
		return &m.listener
	}
	return nil
}

// Changed implements rooms.Members: what an event means to a member of this node. Another node
// may have taken it over, or removed it. The lock is held.
func (r *Room) Changed(e *store.Event) {
	m := r.Owned[e.Member.ConnID]
	switch {
	case m == nil:
	case e.Intent != store.IntentLeave:
		if e.Member.Owner != m.owner || e.Member.Life != m.Life {
			r.compareOwned(m, &e.Member)
		}
	case e.Member.Life == m.Life:
		if !m.Leaving { // another node removed it, and may die before it repeats that
			m.noteEnd(e.Reason, true)
		}
		r.compareOwned(m, nil)
	}
}

// Loaded implements rooms.Members: each member of this node is compared with the load.
func (r *Room) Loaded(members []store.Member) {
	stored := make(map[string]*store.Member, len(r.Owned))
	for i := range members {
		if m := &members[i]; r.Owned[m.ConnID] != nil {
			stored[m.ConnID] = m
		}
	}
	for id, own := range r.Owned {
		r.compareOwned(own, stored[id])
	}
}

// Stale implements rooms.Members: the member is removed again.
func (r *Room) Stale(m *store.Member, now time.Time) {
	if t, ok := r.all.Tombstones.Of(m.Life, now); ok {
		r.all.RepeatLeave(t)
	}
}

// makeMember returns a member that this node is about to own.
func (r *Room) makeMember(connID, userID, life string, state []byte) *Member {
	return &Member{
		Room: r, owner: r.all.Self(), Life: life, ConnID: connID, UserID: userID, state: state,
	}
}

// removeOwned forgets it, wherever it was remembered. The socket's next join is another life; its
// epoch is higher by above, at least. The room's lock is held.
func (r *Room) removeOwned(m *Member, above int64) {
	if r.Owned[m.ConnID] == m {
		delete(r.Owned, m.ConnID)
	}
	if r.Rep.Missing(m.ConnID) {
		r.Resync() // no event will show that it is gone
	}
	r.RemoveListener(&m.listener)
	if m.Grace != nil {
		m.Grace.stop()
		m.Grace = nil
	}
	if m.IDSocket != nil {
		m.IDSocket.GaveUp(m.Epoch.Load() + above)
	}
}

// DisconnectWith has the kick of a member with that epoch disconnect its socket, too.
func (r *Room) DisconnectWith(connID string, epoch int64) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if m := r.Owned[connID]; m != nil {
		m.disconnectEpoch = epoch
	}
}

// isOwn reports whether an owned member is still this node's.
func (r *Room) isOwn(m *Member) bool {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return r.Owned[m.ConnID] == m
}

// ownedEpoch is the epoch of the owned member of a connection; 0: there is none.
func (r *Room) ownedEpoch(connID string) int64 {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if own := r.Owned[connID]; own != nil {
		return own.Epoch.Load()
	}
	return 0
}

// Has reports whether the connId is that of a member of this node.
func (r *Room) Has(connID string) bool {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return r.Owned[connID] != nil
}

// All lists what the node owns.
func (ms *Members) All() []*Member {
	replicas, count := ms.replicas()
	list := make([]*Member, 0, count)
	for r := range replicas {
		r.Mu.Lock()
		for _, m := range r.Owned {
			list = append(list, m)
		}
		r.Mu.Unlock()
	}
	return list
}

// Seen lists the connections of what the node owns, each once, with when it was heard last.
func (ms *Members) Seen() []store.Seen {
	replicas, count := ms.replicas()
	list, listed := make([]store.Seen, 0, count), make(map[string]struct{}, count)
	for r := range replicas {
		r.Mu.Lock()
		for id, m := range r.Owned {
			if _, ok := listed[id]; ok {
				continue
			}
			if shown := r.Rep.Member(id); shown != nil {
				listed[m.ConnID] = struct{}{}
				list = append(list, store.Seen{ConnID: m.ConnID, SeenMs: r.Rep.LastSeenMs(shown)})
			}
		}
		r.Mu.Unlock()
	}
	return list
}

// Conns lists what the node owns of some connections.
func (ms *Members) Conns(connIDs map[string]struct{}) (conns []store.Conn) {
	replicas, _ := ms.replicas()
	for r := range replicas {
		r.Mu.Lock()
		for id, m := range r.Owned {
			if _, ok := connIDs[id]; !ok {
				continue
			}
			if shown := r.Rep.Member(id); shown != nil {
				conns = append(conns, m.connSeen(r.Rep.LastSeenMs(shown)))
			}
		}
		r.Mu.Unlock()
	}
	return conns
}

// Owns tells whether a member is this node's.
func (ms *Members) Owns(room, connID string) bool {
	r := ms.Of(room)
	if r == nil {
		return false
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return r.Owns(connID)
}

// Owners lists the rooms in which members of an owner are shown, by owner; not those that
// this node owns.
func (ms *Members) Owners() map[string][]string {
	owners := make(map[string][]string)
	replicas, _ := ms.replicas()
	var of []string // of one room
	for r := range replicas {
		of = of[:0]
		r.Mu.Lock()
		for m := range r.Rep.All() {
			if r.Owned[m.ConnID] == nil && !slices.Contains(of, m.Owner) {
				of = append(of, m.Owner)
			}
		}
		r.Mu.Unlock()
		for _, owner := range of {
			owners[owner] = append(owners[owner], r.ID)
		}
	}
	return owners
}

// ShownOf lists the members of an owner, and of this node, in a room by this node's
// replica, and reports whether it has one that is in line with the store.
func (ms *Members) ShownOf(owner, room string) (connIDs []string, ok bool) {
	r := ms.Of(room)
	if r == nil {
		return nil, false
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if r.Loading || r.Rep.State() != replica.Current {
		return nil, false
	}
	for m := range r.Rep.All() {
		if m.Owner == owner || m.Owner == r.all.Self() && r.Owned[m.ConnID] == nil {
			connIDs = append(connIDs, m.ConnID)
		}
	}
	return connIDs, true
}
