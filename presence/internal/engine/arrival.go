package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// waiter is a join that waits for its own event on the bridge.
type waiter struct {
	connID string
	owner  string
	epoch  int64
	write  int64 // of its owner, at least
	done   chan struct{}
	// event is the join's own, nil if it came folded.
	event Frame
	seq   int64
}

// addWaiter adds a waiter for an event of the member with an epoch and a write of that number,
// as this owner writes it, or for a later one.
func (r *room) addWaiter(connID, owner string, epoch, write int64) *waiter {
	a := &waiter{connID: connID, owner: owner, epoch: epoch, write: write, done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters = append(r.waiters, a)
	return a
}

// listener is what a socket hears a room by.
type listener struct {
	to    interface{ Deliver(f Frame) } // nil: it does not hear the room
	index int                           // in room.listeners
}

// addListener lets a socket hear the room, unless it does. The lock is held.
func (r *room) addListener(l *listener, to interface{ Deliver(f Frame) }) {
	if l.to == nil {
		l.to, l.index = to, len(r.listeners)
		r.listeners = append(r.listeners, l)
	}
}

// removeListener ends that. The lock is held.
func (r *room) removeListener(l *listener) {
	if l.to == nil {
		return
	}
	last := len(r.listeners) - 1
	r.listeners[l.index] = r.listeners[last]
	r.listeners[l.index].index = l.index
	r.listeners[last] = nil
	r.listeners = r.listeners[:last]
	l.to = nil
}

// await has an event of the member awaited that this node writes with an epoch and a write of
// that number, or a later one.
func (m *ownedMember) await(epoch, write int64) *waiter {
	return m.room.addWaiter(m.connID, m.owner, epoch, write)
}

// removeWaiter ends that.
func (r *room) removeWaiter(a *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters = slices.DeleteFunc(r.waiters, func(other *waiter) bool { return other == a })
}

// ownEventTimeout is how long a room may hear nothing while a join's own event is on
// its way before it is read instead. In one that hears others a lost event shows by
// the next, and the bridge is only behind.
const ownEventTimeout = 200 * time.Millisecond

// wait blocks until the event arrived.
func (a *waiter) wait(ctx context.Context, r *room) error {
	select {
	case <-a.done:
		return nil
	default:
	}
	late := make(chan struct{}, 1)
	look := func() { late <- struct{}{} }
	t := r.eng.clock.AfterFunc(ownEventTimeout, look)
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
				t = r.eng.clock.AfterFunc(ownEventTimeout, look)
			}
		}
	}
}

// resyncIfIdle starts a resync if the room has heard nothing for ownEventTimeout, and reports
// whether it did.
func (r *room) resyncIfIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	quiet := r.eng.clock.Now().Sub(r.inSyncAt) >= ownEventTimeout
	if quiet {
		r.resync()
	}
	return quiet
}

// matches reports whether a member is the one that is waited for, or a later version of it.
// The same epoch under another owner may be another life.
func (a *waiter) matches(m *store.Member) bool {
	return m.ConnID == a.connID && (m.Epoch > a.epoch || m.Epoch == a.epoch && m.Owner == a.owner && m.Write >= a.write)
}

func (a *waiter) complete(f Frame, seq int64) {
	select {
	case <-a.done:
	default:
		a.event, a.seq = f, seq
		close(a.done)
	}
}
