package rooms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Listener is a socket among those that get the events of a room.
type Listener struct {
	To     interface{ Deliver(f Frame) } // nil: it does not hear the room
	Format wire.Format                   // of the socket's latest join
	index  int                           // in its list
}

// list is the listeners that are told the same as one.
func (r *Room) list(l *Listener) *[]*Listener {
	switch {
	case l.Format.Deltas:
		return &r.audience.deltas
	case l.Format.Batch:
		return &r.audience.whole
	}
	return &r.listeners
}

// AddListener lets a socket hear the room in a format from now on, unless it does. Its client stands
// where the room does. The lock is held.
func (r *Room) AddListener(l *Listener, to interface{ Deliver(f Frame) }, f wire.Format) {
	if l.To != nil {
		if l.Format.Batch == f.Batch && l.Format.Deltas == f.Deltas {
			l.Format = f
			return
		}
		r.RemoveListener(l)
	}
	if f.Batch && r.audience == nil {
		r.audience = &audience{room: r, told: r.Rep.Seq(), pace: r.all.Pace}
	}
	l.Format = f
	list := r.list(l)
	l.To, l.index = to, len(*list)
	*list = append(*list, l)
}

// RemoveListener takes a socket out, unless it is. The lock is held.
func (r *Room) RemoveListener(l *Listener) {
	if l.To == nil {
		return
	}
	all := r.list(l)
	list := *all
	last := len(list) - 1
	list[l.index] = list[last]
	list[l.index].index = l.index
	list[last] = nil
	*all = list[:last]
	l.To = nil
	if r.audience != nil && r.audience.size() == 0 {
		r.audience.close()
		r.audience = nil
	}
}

// Waiter is a join, or another write, that waits for its own event on the bridge.
type Waiter struct {
	connID string
	owner  string
	epoch  int64
	write  int64 // of its owner, at least
	done   chan struct{}
	// Event is the join's own, nil if it came folded.
	Event Frame
	Seq   int64
}

// AddWaiter adds a waiter for an event of the member with an epoch and a write of that number,
// as this owner writes it, or for a later one.
func (r *Room) AddWaiter(connID, owner string, epoch, write int64) *Waiter {
	a := &Waiter{connID: connID, owner: owner, epoch: epoch, write: write, done: make(chan struct{})}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.waiters = append(r.waiters, a)
	return a
}

// RemoveWaiter takes a waiter out; nil is none.
func (r *Room) RemoveWaiter(a *Waiter) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.waiters = slices.DeleteFunc(r.waiters, func(other *Waiter) bool { return other == a })
}

// ownEventTimeout is how long a room may hear nothing while a join's own event is on
// its way before it is read instead. In one that hears others a lost event shows by
// the next, and the bridge is only behind.
const ownEventTimeout = 200 * time.Millisecond

// Wait blocks until the event arrived.
func (a *Waiter) Wait(ctx context.Context, r *Room) error {
	select {
	case <-a.done:
		return nil
	default:
	}
	late := make(chan struct{}, 1)
	look := func() { late <- struct{}{} }
	t := r.all.Clock.AfterFunc(ownEventTimeout, look)
	defer func() { t.Stop() }()
	for {
		select {
		case <-a.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for the join's event: %w", ctx.Err())
		case <-late:
			if r.resyncIfIdle() {
				late = nil
			} else {
				t = r.all.Clock.AfterFunc(ownEventTimeout, look)
			}
		}
	}
}

// resyncIfIdle starts a resync if the room has heard nothing for ownEventTimeout, and reports
// whether it did.
func (r *Room) resyncIfIdle() bool {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	quiet := r.all.Clock.Now().Sub(r.inSyncAt) >= ownEventTimeout
	if quiet {
		r.Resync()
	}
	return quiet
}

// matches reports whether a member is the one that is waited for, or a later version of it.
// The same epoch under another owner may be another life.
func (a *Waiter) matches(m *store.Member) bool {
	return m.ConnID == a.connID && (m.Epoch > a.epoch || m.Epoch == a.epoch && m.Owner == a.owner && m.Write >= a.write)
}

func (a *Waiter) complete(f Frame, seq int64) {
	select {
	case <-a.done:
	default:
		a.Event, a.Seq = f, seq
		close(a.done)
	}
}

// Subscription hands the events of a room to a function, one at a time; see
// Runtime.Subscribe.
type Subscription struct {
	executor serial.Executor
	room     *Room
	f        func(wire.Event)
	done     bool // guarded by Room.Mu
}

// Subscribe has f called with each event of a room, and returns its members before the first.
func (rs *Rooms) Subscribe(ctx context.Context, id string, f func(wire.Event)) (*Subscription, []wire.Member, error) {
	r, err := rs.Acquire(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("presence: subscribe: %w", err)
	}
	w := &Subscription{room: r, f: f}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.subscribers = append(r.subscribers, w)
	return w, r.members(), nil
}

// deliver queues an event. The room's lock is held.
func (w *Subscription) deliver(event wire.Event) {
	w.executor.Post(func() { w.call(event) }, 0, w.room.all.Go)
}

// call is the executor's half of deliver.
func (w *Subscription) call(event wire.Event) {
	r, rs := w.room, w.room.all
	r.Mu.Lock()
	done := w.done
	r.Mu.Unlock()
	if done {
		return
	}
	err := rs.CallApplication(func() error {
		w.f(event)
		return nil
	})
	if err != nil {
		rs.Log.Error("function of a subscription failed; it misses this event", "id", core.RandomID(9), "room", r.ID, "error", err)
	}
}

// Close ends the calls: none begins after it returned. It does not wait for
// one under way, and may be called more than once.
func (w *Subscription) Close() {
	r := w.room
	r.Mu.Lock()
	was := w.done
	w.done = true
	r.subscribers = slices.DeleteFunc(r.subscribers, func(other *Subscription) bool { return other == w })
	r.Mu.Unlock()
	if !was {
		r.Release()
	}
}

// closeSubscribers lets no call begin any more.
func (r *Room) closeSubscribers() {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	for _, w := range r.subscribers {
		w.done = true
	}
	r.subscribers = nil
}
