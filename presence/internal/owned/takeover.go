package owned

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// MayReap tells what a claimant does with a member that it found in the store: true, it
// reaps it; false, it leaves it alone, since the member is this node's own; an error, it looks
// again later, since this node owns the member, which stands under the id of a dead node, and
// restores it first.
func (r *Room) MayReap(m *store.Member) (bool, error) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	own := r.Owned[m.ConnID]
	switch {
	case own == nil, own.Leaving && own.Life != m.Life:
		return true, nil
	case m.Owner == r.all.Self():
		return false, nil
	}
	return false, fmt.Errorf("reap %s: it is this node's and restored first: %w", m.ConnID, store.ErrUnavailable)
}

// TakeOver takes a resumable member of a dead node over, without a socket.
func (ms *Members) TakeOver(ctx context.Context, room string, stands *store.Member, nowMs int64) error {
	r, err := ms.Acquire(ctx, room)
	if err != nil {
		return err
	}
	defer r.Release()
	if !r.Handoffs.TryLock(stands.ConnID) {
		return fmt.Errorf("reap %s: it is being resumed: %w", stands.ConnID, store.ErrUnavailable)
	}
	inDoubt := false
	defer func() {
		if !inDoubt {
			r.Handoffs.Unlock(stands.ConnID)
		}
	}()
	m := r.makeMember(stands.ConnID, stands.UserID, stands.Life, stands.State)
	m.digest, m.GraceMs = stands.Token, stands.GraceMs
	m.joinedMs.Store(stands.JoinedMs)
	m.write.Store(stands.Write + 1)
	r.Mu.Lock()
	m.Epoch.Store(max(stands.Epoch, r.ShownEpoch(stands.ConnID)) + 1) // the store may have lost the epoch that was shown
	r.Mu.Unlock()
	x := disconnect{reason: stands.Lost, atMs: stands.UntilMs - stands.GraceMs, untilMs: stands.UntilMs, shownAway: stands.Away}
	if x.untilMs == 0 {
		x.reason, x.atMs, x.untilMs = store.ReasonNodeLost, nowMs-ms.AwayAfter.Milliseconds(), nowMs+stands.GraceMs
	}
	if err := ms.Index.Add(ctx, r.ID); err != nil {
		return err
	}
	next := m.inGrace(x)
	next.Write = m.write.Load()
	res, err := r.put(ctx, &store.Put{Intent: store.IntentResume, Member: next, Fence: stands.Epoch, KeepState: true})
	if err != nil {
		// A resume here would count from the same epoch, and pass for a repeat of this.
		inDoubt = true
		r.unlockAfter(ctx, stands.ConnID)
		return err
	}
	if !res.Outcome.TookEffect() { // a client was quicker, or its grace is over by now
		return fmt.Errorf("reap %s: it is written by somebody: %w", stands.ConnID, store.ErrUnavailable)
	}
	if !r.takeOwnership(m, &res) {
		return nil
	}
	m.BeginGrace(core.NewExecutor(r.ID), x)
	m.tryWriteUser() // the node may have died in a leave, of which the first step removes the entry
	return ms.ConnJoin(ctx, m.conn())
}

// unlockAfter ends a handoff that got no answer, once its write cannot take effect any more.
func (r *Room) unlockAfter(ctx context.Context, connID string) {
	r.Retain()
	r.all.CarryOutLater(r.ID, r.all.After(r.all.Expiry(ctx), func(context.Context) error {
		r.Handoffs.Unlock(connID)
		r.Release()
		return nil
	}))
}

// takeOwnership makes a member this node's that a resume or a takeover has written, with what
// that write kept of the record. If this node had the member before, with another socket or in
// grace, that Member is evicted. It reports false when the member was taken over again
// by now.
func (r *Room) takeOwnership(m *Member, res *store.PutResult) bool {
	m.state, m.Life, m.newer = res.Member.State, res.Member.Life, res.Member.Newer
	m.write.Store(res.Member.Write)
	m.ClientEpoch.Store(m.Epoch.Load())
	r.Mu.Lock()
	defer r.Mu.Unlock()
	stands, before := r.Rep.Member(m.ConnID), r.Owned[m.ConnID]
	if stands != nil && stands.Epoch > m.Epoch.Load() {
		return false
	}
	if before != nil && before != m {
		r.evict(before, "")
	}
	r.Owned[m.ConnID] = m
	return true
}
