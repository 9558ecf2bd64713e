package owned

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// resumeTries is how often a resume follows a member that is being written or
// moved at the same time.
const resumeTries = 4

// lossRetryInterval is how often a resume looks again for a member that the store lost
// and that its owner is about to restore.
const lossRetryInterval = 150 * time.Millisecond

// Resume makes the member that the token names this node's, and gives it to the session. It
// had another socket before, here or on any node, or none. done is false when the token fits
// nothing: the join is an ordinary one then.
func (r *Room) Resume(ctx context.Context, s Session, p *wire.Join, a rooms.Acker) (done bool, err error) {
	connID := tokenConn(p.Resume)
	if connID == "" {
		return false, nil
	}
	if err := r.Handoffs.Lock(ctx, connID); err != nil {
		return false, fmt.Errorf("take member %s over: another request does: %w: %w", connID, store.ErrUnavailable, err)
	}
	t := &resumeAttempt{r: r, s: s, p: p, connID: connID}
	defer t.end()
	for {
		found, err := t.attempt(ctx)
		switch {
		case err != nil:
			return false, err
		case found:
			return t.attach(ctx, a)
		}
		lost, err := r.recentDataLoss(ctx)
		if err != nil || !lost && !t.inReplica() {
			return false, err
		}
		if err := r.all.Wait(ctx, lossRetryInterval); err != nil {
			return false, err
		}
	}
}

// resumeAttempt is a resume under way.
type resumeAttempt struct {
	r        *Room
	s        Session
	p        *wire.Join
	connID   string
	m        *Member
	known    *store.Member // as the replica had it; nil if it had not
	res      store.PutResult
	waiting  *rooms.Waiter
	keepLock bool // the write got no answer: resolve gives the handoff lock back, not end
}

func (t *resumeAttempt) end() {
	t.r.RemoveWaiter(t.waiting)
	if !t.keepLock {
		t.r.Handoffs.Unlock(t.connID)
	}
}

// attempt looks for the member and writes it as this node's. It reports false when
// there is none that the token fits.
func (t *resumeAttempt) attempt(ctx context.Context) (found bool, err error) {
	p, ms, r := t.p, t.r.all, t.r
	stands, err := t.resumable(ctx)
	if err != nil || stands == nil {
		return false, err
	}
	if err := ms.Index.Add(ctx, r.ID); err != nil {
		return false, err
	}
	m := r.makeMember(t.connID, p.UserID, stands.Life, p.State)
	m.token = p.Resume
	m.joinedMs.Store(stands.JoinedMs)
	m.setGrace(stands.GraceMs)
	if p.GraceMs.Given {
		m.GraceMs = p.GraceMs.Value
	}
	t.m = m
	if err := t.write(ctx, *stands); err != nil {
		return false, err
	}
	if t.res.Outcome == store.Fenced || t.res.Outcome == store.Missing {
		return false, nil
	}
	if !r.takeOwnership(m, &t.res) {
		return false, wire.ErrRemoved
	}
	return true, nil
}

// attach gives the member that was taken over to the socket, and answers.
func (t *resumeAttempt) attach(ctx context.Context, a rooms.Acker) (done bool, err error) {
	m, ms, r := t.m, t.r.all, t.r
	if err = ms.ConnJoin(ctx, m.conn()); err == nil {
		err = t.keepNewest(ctx)
	}
	if err == nil {
		err = t.waiting.Wait(ctx, r.Room)
	}
	if err == nil {
		if err = m.ackJoin(t.s, a, t.waiting, true, t.p); err == nil {
			m.tryWriteUser() // the former owner may have died in a leave, of which the first step removes the entry
			return true, nil
		}
	}
	// The client gets an error, so it has no member: the member goes back into grace,
	// unless it was taken over or removed meanwhile.
	m.BeginGrace(t.s.Executor(), m.DisconnectNow(store.ReasonDisconnect, max(m.GraceMs, 1)))
	return true, err
}

// keepNewest writes the state that the replica knew, where the store had lost
// it before the resume kept what stood.
func (t *resumeAttempt) keepNewest(ctx context.Context) error {
	m, known := t.m, t.known
	if t.p.State != nil || known == nil || m.write.Load() > known.Write {
		return nil
	}
	next := m.Record()
	next.State, next.Write = known.State, known.Write+1
	waiting := m.await(next.Epoch, next.Write) // a load may show the resume alone
	defer t.r.RemoveWaiter(waiting)
	found, _, err := m.Update(ctx, t.s.Executor(), &next)
	if err != nil || !found.TookEffect() {
		return err
	}
	return waiting.Wait(ctx, t.r.Room)
}

// recentDataLoss reports whether the store lost data lately, so that members that
// it does not have may be restored any moment.
func (r *Room) recentDataLoss(ctx context.Context) (bool, error) {
	ms := r.all
	if ms.LostData(ms.Clock.Now()) {
		return true, nil
	}
	states, err := ms.Store.NodeStates(ctx, []string{ms.Self()})
	if err != nil {
		return false, err
	}
	// The store knows the node again only after the node has heard of the loss.
	return states[0] == store.NodeUnknown || ms.LostData(ms.Clock.Now()), nil
}

// inReplica reports whether the replica still has a member that the store does not have: its
// leave is on its way, or the store lost it and no node has noticed.
func (t *resumeAttempt) inReplica() bool {
	if t.res.Outcome != store.Missing {
		return false
	}
	known, ok := t.r.Shown(t.connID)
	return ok && t.matches(&known)
}

// matches tells whether a join's token speaks of a member that can be resumed.
func (t *resumeAttempt) matches(m *store.Member) bool {
	if m.UserID != t.p.UserID || m.GraceMs == 0 || m.Token != digestOf(t.p.Resume) {
		return false
	}
	ms := t.r.all
	_, ended := ms.Tombstones.Of(m.Life, ms.Clock.Now()) // and the store lost that
	return !ended
}

// resumable finds the member that a join's token speaks of; nil if there is
// none. A replica that lags behind is no reason to refuse: the store decides.
func (t *resumeAttempt) resumable(ctx context.Context) (*store.Member, error) {
	r := t.r
	if known, ok := r.Shown(t.connID); ok && t.matches(&known) {
		t.known = &known
		return &known, nil
	}
	stands, err := r.all.Stored(ctx, r.ID, t.connID)
	if err != nil || stands == nil || !t.matches(stands) {
		return nil, err
	}
	return stands, nil
}

// write moves the member to this node and this socket in one step of the
// store, following it when it was written meanwhile.
func (t *resumeAttempt) write(ctx context.Context, stands store.Member) (err error) {
	m, ms, r := t.m, t.r.all, t.r
	for range resumeTries {
		epoch := max(stands.Epoch, r.ownedEpoch(t.connID)) // taken over just now: its event may be on its way
		if t.known != nil {
			epoch = max(epoch, t.known.Epoch)
		}
		m.Epoch.Store(epoch + member.ResumeStep)
		m.write.Store(0) // the store counts on from its own
		r.RemoveWaiter(t.waiting)
		t.waiting = m.await(m.Epoch.Load(), 0)
		t.res, err = r.put(ctx, t.put(stands.Epoch))
		if err != nil {
			t.keepLock = true
			refusedMs := ms.StoreNow()
			ms.MarkInDoubt(t.s.Executor(), func(ctx context.Context) error { return t.resolve(ctx, stands.Epoch, refusedMs) })
			return err
		}
		if t.res.Outcome != store.Fenced || t.res.Member.Epoch == stands.Epoch || t.res.Member.Token != stands.Token {
			return nil
		}
		stands = t.res.Member
	}
	return nil
}

func (t *resumeAttempt) put(fence int64) *store.Put {
	return &store.Put{Intent: store.IntentResume, Member: t.m.Record(), Fence: fence, KeepState: t.p.State == nil}
}

// resolve finds out what became of a resume in doubt: if it took effect the
// member is this node's, without a socket, and its grace began when the resume was refused. By
// now it may be over.
func (t *resumeAttempt) resolve(ctx context.Context, fence, refusedMs int64) error {
	m, r := t.m, t.r
	res, err := r.put(ctx, t.put(fence))
	if err != nil {
		return err
	}
	if res.Outcome.TookEffect() {
		if r.takeOwnership(m, &res) {
			m.BeginGrace(t.s.Executor(), m.DisconnectAt(refusedMs, store.ReasonDisconnect, max(m.GraceMs, 1)))
		}
	}
	r.Handoffs.Unlock(t.connID)
	return nil
}
