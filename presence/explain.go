package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/store"
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
	if at[0].Born != r.position().Born {
		e.sleep(missingAfter) // the last one in the room may have been removed
		return true, nil
	}
	state, err := e.stateOf(ctx, m.owner)
	return err == nil && state != store.NodeAlive, err
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
