package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// retryInterval is how often writes in doubt are tried again.
	retryInterval = 500 * time.Millisecond
	// maxInDoubt bounds the executors that have something unsettled, and maxRoomDoubts those
	// of one room: beyond that joins are refused before they reach the store. Clients
	// that come and go while it does not answer would leave one behind each time.
	maxInDoubt     = 1 << 14
	maxRoomInDoubt = 1 << 10
)

// retryQueue knows the executors that have something unsettled.
type retryQueue struct {
	mu    sync.Mutex
	lanes map[*executor]struct{} // that wait for the next time
	// all and ofRoom count those and the ones being mended, some maybe settled by now.
	all    atomic.Int64 // written under the lock
	ofRoom map[string]int
}

// add has an executor mended the next time. The lock is held.
func (m *retryQueue) add(l *executor) {
	if _, waits := m.lanes[l]; waits {
		return
	}
	if m.ofRoom == nil {
		m.ofRoom = make(map[string]int)
	}
	m.lanes[l] = struct{}{}
	m.all.Add(1)
	m.ofRoom[l.roomID]++
}

// remove ends the counting of an executor that was taken out of those that wait. The lock
// is held.
func (m *retryQueue) remove(l *executor) {
	m.all.Add(-1)
	if m.ofRoom[l.roomID]--; m.ofRoom[l.roomID] == 0 {
		delete(m.ofRoom, l.roomID)
	}
}

// admit returns an error when so much of a room is in doubt that it takes no more.
func (m *retryQueue) admit(room string) error {
	all := m.all.Load()
	if all == 0 { // the usual case
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if all >= maxInDoubt || m.ofRoom[room] >= maxRoomInDoubt {
		return fmt.Errorf("join: %d writes of the room and %d in all are in doubt: %w", m.ofRoom[room], all, store.ErrUnavailable)
	}
	return nil
}

// waiting lists the executors that wait for the next time.
func (m *retryQueue) waiting() []*executor {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*executor, 0, len(m.lanes))
	for l := range m.lanes {
		list = append(list, l)
	}
	return list
}

// markInDoubt adds an in-doubt write: settle finds out whether it took effect, or makes that
// irrelevant. Called by operations of the executor only.
func (e *Engine) markInDoubt(l *executor, settle func(context.Context) error) {
	l.inDoubt = append(l.inDoubt, settle)
	e.retries.mu.Lock()
	defer e.retries.mu.Unlock()
	e.retries.add(l)
}

// carryOut runs a step that must succeed eventually. Without an answer of the store it is
// repeated in the background. Called by operations of the executor only.
func (e *Engine) carryOut(l *executor, step func(context.Context) error) {
	ctx, cancel := e.storeContext()
	defer cancel()
	if l.resolveInDoubt(ctx) != nil || step(ctx) != nil {
		e.markInDoubt(l, step)
	}
}

// after makes a step wait until the store's time is past one: what a write in doubt did
// is certain then.
func (e *Engine) after(ms int64, step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if e.storeNow() <= ms {
			return fmt.Errorf("too early behind a write in doubt: %w", store.ErrUnavailable)
		}
		return step(ctx)
	}
}

// retryInDoubt runs a retry in each executor with in-doubt writes, behind the operations that are
// queued there.
func (e *Engine) retryInDoubt() {
	m := &e.retries
	m.mu.Lock()
	lanes := m.lanes
	m.lanes = make(map[*executor]struct{})
	m.mu.Unlock()
	for l := range lanes {
		e.scheduleIn(&e.retryPool, l, false, func(deadline time.Time) {
			ctx, cancel := e.contextUntil(deadline) // or requests behind it would wait twice
			defer cancel()
			again := l.resolveInDoubt(ctx) != nil
			m.mu.Lock()
			defer m.mu.Unlock()
			if again {
				m.add(l)
			}
			m.remove(l)
		})
	}
}
