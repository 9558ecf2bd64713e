package presence

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// mendInterval is how often writes in doubt are tried again.
	mendInterval = 500 * time.Millisecond
	// maxDoubts bounds the lanes that have something unsettled, and maxRoomDoubts those
	// of one room: beyond that joins are refused before they reach the store. Clients
	// that come and go while it does not answer would leave one behind each time.
	maxDoubts     = 1 << 14
	maxRoomDoubts = 1 << 10
)

// mender knows the lanes that have something unsettled.
type mender struct {
	mu    sync.Mutex
	lanes map[*lane]struct{} // that wait for the next time
	// all and ofRoom count those and the ones being mended, some maybe settled by now.
	all    atomic.Int64 // written under the lock
	ofRoom map[string]int
}

// add has a lane mended the next time. The lock is held.
func (m *mender) add(l *lane) {
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

// remove ends the counting of a lane that was taken out of those that wait. The lock
// is held.
func (m *mender) remove(l *lane) {
	m.all.Add(-1)
	if m.ofRoom[l.roomID]--; m.ofRoom[l.roomID] == 0 {
		delete(m.ofRoom, l.roomID)
	}
}

// admits returns an error when so much of a room is in doubt that it takes no more.
func (m *mender) admits(room string) error {
	all := m.all.Load()
	if all == 0 { // the usual case
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if all >= maxDoubts || m.ofRoom[room] >= maxRoomDoubts {
		return fmt.Errorf("join: %d writes of the room and %d in all are in doubt: %w", m.ofRoom[room], all, store.ErrUnavailable)
	}
	return nil
}

// waiting lists the lanes that wait for the next time.
func (m *mender) waiting() []*lane {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*lane, 0, len(m.lanes))
	for l := range m.lanes {
		list = append(list, l)
	}
	return list
}

// unsettle remembers a write whose fate is unknown until settle could find it
// out or make it irrelevant. Called by operations of the lane only.
func (e *engine) unsettle(l *lane, settle func(context.Context) error) {
	l.unsettled = append(l.unsettled, settle)
	e.doubt()
	e.mender.mu.Lock()
	defer e.mender.mu.Unlock()
	e.mender.add(l)
}

// mend has every unsettled lane try again, behind what it is doing.
func (e *engine) mend() {
	m := &e.mender
	m.mu.Lock()
	lanes := m.lanes
	m.lanes = make(map[*lane]struct{})
	m.mu.Unlock()
	for l := range lanes {
		e.laterBy(&e.mends, l, func(deadline time.Time) {
			ctx, cancel := e.until(deadline) // or requests behind it would wait twice
			defer cancel()
			again := l.settle(ctx) != nil
			m.mu.Lock()
			defer m.mu.Unlock()
			if again {
				m.add(l)
			}
			m.remove(l)
		})
	}
}
