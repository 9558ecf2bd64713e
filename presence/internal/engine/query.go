package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// MembersOf reads a room from the replica if there is one, else from the store.
func (e *Rooms) MembersOf(ctx context.Context, id string) ([]wire.Member, error) {
	if r := e.roomOf(id); r != nil {
		select {
		case <-r.ready:
			if r.err == nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.list(), nil
			}
		default:
		}
	}
	loaded, err := e.store.Load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("presence: members of room: %w", err)
	}
	now, members := e.storeNow(), make([]wire.Member, len(loaded.Members))
	for i := range loaded.Members {
		m := &loaded.Members[i]
		members[i] = publicMember(m, replica.SeenMs(m, now, 0, e.LeaseTime))
	}
	return members, nil
}

// MemberOf is the member that the socket is in a room.
func (s *Socket) MemberOf(roomID string) (wire.Member, bool) {
	s.mu.Lock()
	st := s.session(roomID)
	s.mu.Unlock()
	if st == nil {
		return wire.Member{}, false
	}
	m := st.member.Load()
	if m == nil {
		return wire.Member{}, false
	}
	return m.public()
}

// public is the member as clients see it, if they see it.
func (m *ownedMember) public() (wire.Member, bool) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if shown := r.rep.Member(m.connID); shown != nil && r.owned[m.connID] == m {
		return publicMember(&shown.Member, r.rep.LastSeenMs(shown)), true
	}
	return wire.Member{}, false
}

// list is the replica's members. The lock is held.
func (r *room) list() []wire.Member {
	members := make([]wire.Member, 0, r.rep.Len())
	for m := range r.rep.All() {
		members = append(members, publicMember(&m.Member, r.rep.LastSeenMs(m)))
	}
	return members
}

// publicMember is a member as clients see it.
func publicMember(m *store.Member, seenMs int64) wire.Member {
	return wire.Member{
		ConnID: m.ConnID, UserID: m.UserID, State: m.State, Epoch: m.Epoch, Status: wire.StatusOf(m.Away),
		LastSeen: time.UnixMilli(seenMs), Joined: time.UnixMilli(m.JoinedMs),
	}
}

// Location is a room in which a user is, and with which connection.
type Location struct {
	RoomID string      `json:"roomId"`
	ConnID string      `json:"connId"`
	Status wire.Status `json:"status"`
}

// RoomsOf reads where a user is. The index is only a hint, so each entry is looked up. An
// entry without a member is skipped and never removed: a join may be under way on any node,
// and only the owner writes its entries.
func (e *Engine) RoomsOf(ctx context.Context, userID string) ([]Location, error) {
	found, err := e.store.UserMembers(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("presence: rooms of user: %w", err)
	}
	locations := make([]Location, 0, len(found))
	for _, l := range found {
		m, err := e.stored(ctx, l.Room, l.ConnID)
		if err != nil {
			return nil, fmt.Errorf("presence: rooms of user: %w", err)
		}
		if m != nil && m.UserID == userID {
			locations = append(locations, Location{
				RoomID: l.Room, ConnID: l.ConnID, Status: wire.StatusOf(m.Away),
			})
		}
	}
	return locations, nil
}

// Subscription hands the events of a room to a function, one at a time; see
// Runtime.Subscribe.
type Subscription struct {
	executor serial.Executor
	room     *room
	f        func(wire.Event)
	done     bool // guarded by room.mu
}

// Subscribe has f called with each event of a room, and returns its members before the first.
func (e *Rooms) Subscribe(ctx context.Context, id string, f func(wire.Event)) (*Subscription, []wire.Member, error) {
	r, err := e.acquire(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("presence: subscribe: %w", err)
	}
	w := &Subscription{room: r, f: f}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers = append(r.subscribers, w)
	return w, r.list(), nil
}

// deliver queues an event. The room's lock is held.
func (w *Subscription) deliver(event wire.Event) {
	w.executor.Post(func() { w.call(event) }, 0, w.room.eng.start)
}

// call is the executor's half of deliver.
func (w *Subscription) call(event wire.Event) {
	r, e := w.room, w.room.eng
	r.mu.Lock()
	done := w.done
	r.mu.Unlock()
	if done {
		return
	}
	err := e.callApplication(func() error {
		w.f(event)
		return nil
	})
	if err != nil {
		e.Log.Error("internal error", "id", randomID(9), "doing", "function of a subscription", "room", r.id, "error", err)
	}
}

// Close ends the calls: none begins after it returned. It does not wait for
// one under way, and may be called more than once.
func (w *Subscription) Close() {
	r := w.room
	r.mu.Lock()
	was := w.done
	w.done = true
	r.subscribers = slices.DeleteFunc(r.subscribers, func(other *Subscription) bool { return other == w })
	r.mu.Unlock()
	if !was {
		r.release()
	}
}

// closeSubscribers lets no call begin any more.
func (r *room) closeSubscribers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.subscribers {
		w.done = true
	}
	r.subscribers = nil
}
