package presence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// membersOf reads a room from the replica if there is one, else from the store.
func (e *engine) membersOf(ctx context.Context, id string) ([]Member, error) {
	e.mu.Lock()
	r := e.rooms[id]
	e.mu.Unlock()
	if r != nil {
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
	now, members := e.storeNow(), make([]Member, len(loaded.Members))
	for i := range loaded.Members {
		m := &loaded.Members[i]
		members[i] = publicMember(m, e.seenMs(m, now, 0))
	}
	return members, nil
}

// memberOf is the member that the socket is in a room.
func (s *socket) memberOf(roomID string) (Member, bool) {
	s.mu.Lock()
	st := s.seatOf(roomID)
	s.mu.Unlock()
	if st == nil {
		return Member{}, false
	}
	m := st.member.Load()
	if m == nil {
		return Member{}, false
	}
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if shown := r.members[m.connID]; shown != nil && r.owned[m.connID] == m {
		return publicMember(&shown.Member, r.lastSeenMs(shown)), true
	}
	return Member{}, false
}

// list is the replica's members. The lock is held.
func (r *room) list() []Member {
	members := make([]Member, 0, len(r.members))
	for _, m := range r.members {
		members = append(members, publicMember(&m.Member, r.lastSeenMs(m)))
	}
	return members
}

func publicMember(m *store.Member, seenMs int64) Member {
	return Member{
		ConnID: m.ConnID, UserID: m.UserID, State: m.State, Epoch: m.Epoch, Status: statusOf(m.Away),
		LastSeen: time.UnixMilli(seenMs), Joined: time.UnixMilli(m.JoinedMs),
	}
}

// roomsOf reads where a user is. The index is only a hint: what it names is
// looked up. An entry without a member is skipped, never removed: its member may
// be on its way in on any node, and only the owner writes its entries.
func (e *engine) roomsOf(ctx context.Context, userID string) ([]Location, error) {
	found, err := e.store.UserMembers(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("presence: rooms of user: %w", err)
	}
	locations := make([]Location, 0, len(found))
	for _, l := range found {
		room, err := e.store.LoadMembers(ctx, l.Room, []string{l.ConnID})
		if err != nil {
			return nil, fmt.Errorf("presence: rooms of user: %w", err)
		}
		if len(room.Members) == 1 && room.Members[0].UserID == userID {
			locations = append(locations, Location{
				RoomID: l.Room, ConnID: l.ConnID, Status: statusOf(room.Members[0].Away),
			})
		}
	}
	return locations, nil
}

// Subscription is an interest in the events of a room; see Runtime.Subscribe.
type Subscription struct {
	w *watcher
}

// Close ends the calls: none begins after it returned. It does not wait for
// one under way, and may be called more than once.
func (s *Subscription) Close() { s.w.close() }

// watcher hands the events of a room to a function, one at a time.
type watcher struct {
	lane
	room *room
	f    func(Event)
	done bool // guarded by room.mu
}

func (e *engine) watch(ctx context.Context, id string, f func(Event)) (*Subscription, []Member, error) {
	r, err := e.acquire(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("presence: subscribe: %w", err)
	}
	w := &watcher{room: r, f: f}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers = append(r.watchers, w)
	return &Subscription{w}, r.list(), nil
}

// deliver queues an event. The room's lock is held.
func (w *watcher) deliver(event Event) {
	w.lane.post(func() { w.call(event) }, 0, w.room.eng.start)
}

// call is the lane's half of deliver.
func (w *watcher) call(event Event) {
	r, e := w.room, w.room.eng
	r.mu.Lock()
	done := w.done
	r.mu.Unlock()
	if done {
		return
	}
	err := e.guard(func() error {
		w.f(event)
		return nil
	})
	if err != nil {
		e.log.Error("internal error", "id", randomID(9), "doing", "function of a subscription", "room", r.id, "error", err)
	}
}

func (w *watcher) close() {
	r := w.room
	r.mu.Lock()
	was := w.done
	w.done = true
	r.watchers = slices.DeleteFunc(r.watchers, func(other *watcher) bool { return other == w })
	r.mu.Unlock()
	if !was {
		r.eng.release(r)
	}
}

// endWatches lets no call begin any more.
func (r *room) endWatches() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.watchers {
		w.done = true
	}
	r.watchers = nil
}
