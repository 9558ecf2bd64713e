package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// question finds out why a member of this node is not in the store any more: one
// that the store lost, or that was reaped when the node was taken for dead, is
// restored; else somebody removed it. The room's lock is held.
func (r *room) question(m *membership) {
	q := &missing{membership: m}
	switch {
	case m.seat != nil:
		r.mending(m, func(ctx context.Context, st *seat) error {
			return q.findOut(ctx, func() error { return st.restore(ctx, m) })
		})
	case m.grace != nil && !m.leaving:
		q.since = r.eng.clock.Now()
		r.inquire(m, func() {
			r.mendGrace(m, func(ctx context.Context, g *grace) error {
				return q.findOut(ctx, func() error { return g.restore(ctx) })
			})
		})
	case r.goesAway(m):
		m.restoring = true // its grace is about to begin, and goes on with this
	case !r.comes(m): // else its join finds out
		r.evict(m, evictRemoved, ReasonDisconnect)
	}
}

// goesAway tells whether a membership has lost its socket and its grace is about to
// begin: it may be at the store for that. The lock is held.
func (r *room) goesAway(m *membership) bool {
	return m.seat == nil && m.grace == nil && !m.leaving && !r.comes(m)
}

// missing is a member of this node that the store does not have.
type missing struct {
	*membership
	since time.Time // zero: not looked yet
}

// noticeTime is how long it may take to hear of who removed a member, or that the
// store lost data.
const noticeTime = 500 * time.Millisecond

// errMissing says that whoever removed a member, or the notice that the store
// lost it, gets some time to be heard.
var errMissing = fmt.Errorf("question: the member is missing: %w", store.ErrUnavailable)

// findOut is one try of a question. An operation of the member's lane.
func (m *missing) findOut(ctx context.Context, restore func() error) error {
	e, r := m.room.eng, m.room
	if lost, removed := m.fate(); lost == surelyReset && !removed {
		return restore()
	}
	found, err := e.store.LoadMembers(ctx, r.id, []string{m.connID})
	if err != nil {
		return err
	}
	state, err := e.stateOf(ctx, m.owner)
	if err != nil {
		return err
	}
	lost, removed := m.fate()
	if len(found.Members) > 0 || !removed && (state != store.NodeAlive || r.lostOfLate()) {
		return restore()
	}
	if m.since.IsZero() {
		m.since = e.clock.Now()
	}
	switch {
	case !removed && e.clock.Now().Sub(m.since) < noticeTime:
		return errMissing
	case !removed && lost != noReset:
		return restore()
	}
	m.isGone()
	return nil
}

// isGone lets go of a member that somebody removed, without a word that was
// heard here.
func (m *membership) isGone() {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	m.restoring, m.removed = false, true
	switch {
	case r.owned[m.connID] != m:
	case r.members[m.connID] != nil:
		r.refetch() // shows the leave, to its socket too, and lets go of it
	default:
		r.evict(m, evictRemoved, ReasonDisconnect)
	}
}

// fate is what the room knows by now: that the store lost the member, or must
// have if nobody says that it left, or that somebody does.
func (m *membership) fate() (lost reset, removed bool) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	return m.lost, m.removed
}
