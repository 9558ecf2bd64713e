package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// explain finds out why the store does not have a member as this node's that a
// write was for. It reports true when the store lost it, or the node was taken
// for dead, and it is restored by now: the write may be tried again. If somebody
// removed it or took it over, the event that says so is on its way, and the
// error is the client's.
func (st *seat) explain(ctx context.Context, m *membership, found store.Outcome) (restored bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("write member %s: %w", m.connID, err)
	}
	var ours bool
	if found == store.Missing {
		ours, err = st.missed(ctx, m)
	} else {
		ours, err = st.orphaned(ctx, m)
	}
	switch {
	case err != nil:
		return false, err
	case ours && st.member.Load() == m:
		return true, st.restore(ctx, m)
	}
	return false, st.lost(m, found)
}

// missed tells whether a missing member was lost or reaped, not removed.
func (st *seat) missed(ctx context.Context, m *membership) (bool, error) {
	e, r := st.sock.eng, m.room
	at, err := e.store.Positions(ctx, []string{r.id})
	if err != nil {
		return false, err
	}
	if r.lags(at[0]) {
		e.sleep(missingAfter) // the last one in the room may have been removed
		return true, nil
	}
	state, err := e.stateOf(ctx, m.owner)
	if err != nil || state != store.NodeAlive {
		return err == nil, err
	}
	return st.toldOfALoss(ctx, m)
}

// lags tells whether the store stands behind a room, or has another record of it.
func (r *room) lags(at store.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return at.Born != r.pos.Born || at.Seq < r.pos.Seq
}

// toldOfALoss waits for word that somebody removed a missing member, or that the
// store lost data: a write may come ahead of both.
func (st *seat) toldOfALoss(ctx context.Context, m *membership) (bool, error) {
	e := st.sock.eng
	for waited := time.Duration(0); st.member.Load() == m; waited += missingAfter / 4 {
		if m.room.lostOfLate() {
			return true, nil
		}
		if waited >= noticeTime {
			return false, nil
		}
		if err := e.wait(ctx, missingAfter/4); err != nil {
			return false, err
		}
	}
	return false, nil
}

// orphaned tells whether a member stands without a socket under another node,
// or as it was before writes that the store lost.
func (st *seat) orphaned(ctx context.Context, m *membership) (bool, error) {
	found, err := st.sock.eng.store.LoadMembers(ctx, m.room.id, []string{m.connID})
	if err != nil || len(found.Members) == 0 {
		return false, err
	}
	stands := &found.Members[0]
	return stands.UntilMs > 0 || stands.Epoch < m.epoch.Load(), nil
}
