package presence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// arrival waits for the event of a join to come back over the bridge.
type arrival struct {
	connID string
	owner  string
	epoch  int64
	owned  bool // its membership is, or was, this node's: room.owned tells which
	done   chan struct{}
	// event is the join's own, nil if it came folded.
	event frame
	seq   int64
}

// await begins to wait for an event of a member as this node writes it now, or a
// later one.
func (r *room) await(m *membership, epoch int64) *arrival {
	a := &arrival{connID: m.connID, owner: m.owner, epoch: epoch, done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = append(r.arrivals, a)
	return a
}

// expect waits for the event of a join. For a membership that is not owned yet
// it makes it so, so that nothing that happens to it is overlooked.
func (r *room) expect(m *membership) *arrival {
	a := r.await(m, m.epoch.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own(m)
	return a
}

func (r *room) unexpect(a *arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = slices.DeleteFunc(r.arrivals, func(other *arrival) bool { return other == a })
}

// comes tells whether a membership's join is under way. The lock is held.
func (r *room) comes(m *membership) bool {
	return slices.ContainsFunc(r.arrivals, func(a *arrival) bool { return a.connID == m.connID })
}

// missingAfter is how long a room may hear nothing while a join's own event is on
// its way before it is read instead. In one that hears others a lost event shows by
// the next, and the bridge is only behind.
const missingAfter = 200 * time.Millisecond

// wait blocks until the event arrived.
func (a *arrival) wait(ctx context.Context, r *room) error {
	select {
	case <-a.done:
		return nil
	default:
	}
	late := make(chan struct{}, 1)
	look := func() { late <- struct{}{} }
	t := r.eng.clock.AfterFunc(missingAfter, look)
	defer func() { t.Stop() }()
	for {
		select {
		case <-a.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for the join's event: %w", ctx.Err())
		case <-late:
			if r.readIfQuiet() {
				late = nil
			} else {
				t = r.eng.clock.AfterFunc(missingAfter, look)
			}
		}
	}
}

// readIfQuiet reads the room again if it hears nothing lately; it reports
// whether it does.
func (r *room) readIfQuiet() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	quiet := r.eng.clock.Now().Sub(r.heardAt) >= missingAfter
	if quiet {
		r.refetch()
	}
	return quiet
}

// isFor reports whether a member is what is waited for, or came after it. One of
// the same epoch may be another life, under another node.
func (a *arrival) isFor(m *store.Member) bool {
	return m.ConnID == a.connID && (m.Epoch > a.epoch || m.Epoch == a.epoch && m.Owner == a.owner)
}

func (a *arrival) complete(f frame, seq int64) {
	select {
	case <-a.done:
	default:
		a.event, a.seq = f, seq
		close(a.done)
	}
}
