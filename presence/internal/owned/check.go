package owned

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

const (
	// checkPause is how often a request looks again for a member about which it is not
	// known yet what became of it.
	checkPause = 50 * time.Millisecond
	// unheardEpochs is by how much the epoch of a new life is above the last one that this
	// node knows: the others may have counted on meanwhile, by takeovers and resumes that
	// were not heard here.
	unheardEpochs = 1 << 10 * member.ResumeStep
)

// errLookAgain says that a check has to be tried again in a moment. Three others say why. With
// errDeclaredDead a request does not wait: what the client sent after it, a leave maybe, is to
// be read before the member is restored.
var (
	errLookAgain    = fmt.Errorf("check: %w", store.ErrUnavailable)
	errUndecided    = fmt.Errorf("nobody has said yet what became of the member: %w", errLookAgain)
	errMoving       = fmt.Errorf("another request moves the member: %w", errLookAgain)
	errWritten      = fmt.Errorf("the member was written meanwhile: %w", errLookAgain)
	errDeclaredDead = fmt.Errorf("check: this node was declared dead: %w", store.ErrUnavailable)
)

// checkOwned has it found out what became of a member that the store does not have as it
// should. The lock is held.
func (r *Room) checkOwned(m *Member) {
	if r.Owned[m.ConnID] == m {
		m.checks.notice(r.Rep.State() == replica.Rebuilding)
		r.postCheck(m)
	}
}

// CheckSoon is checkOwned without the lock.
func (m *Member) CheckSoon() {
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	m.Room.checkOwned(m)
}

// postCheck queues a check that is due, unless one is under way, or the member has
// neither a socket nor a grace: it is on its way to one of them, and that comes back to
// this. The lock is held.
func (r *Room) postCheck(m *Member) {
	ms, l := r.all, m.Writer()
	if !m.checks.due || m.checks.posted || l == nil {
		return
	}
	m.checks.posted = true
	step := func(ctx context.Context) error {
		_, err := m.Check(ctx, l)
		return err
	}
	ms.checks.Schedule(l, func(posted time.Time) {
		ctx, cancel := ms.Deadlines.Until(ms.Deadlines.After(posted))
		defer cancel()
		if step(ctx) != nil {
			ms.MarkInDoubt(l, step)
		}
	})
}

// Check finds out what became of a member that the store does not have as it should, and
// makes it right: acknowledged writes survive. It reports whether the member stands then
// and is this node's. It may be repeated. An operation of the member's executor l; one of an
// executor that is not the member's any more does nothing.
func (m *Member) Check(ctx context.Context, l *serial.Executor) (stands bool, err error) {
	ms, r := m.Room.all, m.Room
	if !r.Handoffs.TryLock(m.ConnID) {
		return false, errMoving
	}
	defer r.Handoffs.Unlock(m.ConnID)
	own, ok := m.beginCheck(l)
	if !ok {
		return false, nil
	}
	stored, err := ms.Stored(ctx, r.ID, m.ConnID)
	if err != nil {
		return false, err
	}
	ev, alive, err := m.evidence(ctx, stored)
	if err != nil {
		return false, err
	}
	switch verdict := member.Judge(&own, stored, &ev); verdict {
	case member.Same, member.Newer:
		m.Epoch.Store(stored.Epoch)
		m.write.Store(stored.Write)
		m.state = stored.State
		m.Away.Store(stored.Away)
	case member.Moved, member.Gone:
		m.giveUp(verdict, ev.Reason)
		return false, nil
	case member.Undecided:
		m.noteWrong()
		return false, errUndecided
	default: // Older, Orphaned, Lost, Reaped
		if !alive {
			return false, errDeclaredDead
		}
		if err := m.restore(ctx, stored, verdict); err != nil {
			return false, err
		}
	}
	if m.restoring {
		if err := m.reindex(ctx); err != nil {
			return false, err
		}
	}
	m.checked()
	return true, nil
}

// beginCheck returns the member as this node knows it. It reports false, and ends the check,
// when the member is not this node's any more, or about to leave or to change hands.
func (m *Member) beginCheck(l *serial.Executor) (own member.Own, ok bool) {
	r := m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	switch {
	case m.Writer() != l:
		return own, false
	case r.Owned[m.ConnID] != m || m.Leaving || m.Gone != "",
		m.Session != nil && m.Session.Closed(), // what comes of that is about to be seen to
		m.Grace != nil && m.Grace.Ended:
		m.checks.drop()
		return own, false
	}
	m.checks.begin()
	return m.ownNow(), true
}

// ownNow is what Judge needs of it. What clients were shown counts: a rejoin that was refused,
// or a takeover, may have been seen before the store lost it. The room's lock is held.
func (m *Member) ownNow() member.Own {
	epoch := m.Epoch.Load()
	own := member.Own{
		Life: m.Life, Node: m.owner, Epoch: epoch, Written: epoch, Write: m.write.Load(), GraceMs: m.GraceMs, Online: m.Session != nil,
	}
	if shown := m.Room.Rep.Member(m.ConnID); shown != nil && shown.Life == m.Life {
		own.Epoch = max(own.Epoch, shown.Epoch)
	}
	return own
}

// known is the evidence that this node has without asking the store. The room's lock is
// held.
func (m *Member) known(stored *store.Member) (ev member.Evidence) {
	ms, r, now := m.Room.all, m.Room, m.Room.all.Clock.Now()
	if t, ok := ms.Tombstones.Of(m.Life, now); ok {
		ev.Ended, ev.Reason, ev.EndedUnder, ev.EndedEpoch = true, t.Reason, t.Owner, t.Epoch
	}
	if stored != nil && stored.Life != m.Life {
		_, ev.OtherEnded = ms.Tombstones.Of(stored.Life, now)
	}
	ev.Restoring = m.restoring
	ev.Renamed = m.owner != ms.Self()
	ev.Silence = time.Duration(ms.MissedRenewals.Load())
	ev.DataLoss = r.Rep.LostData(now)
	ev.OtherRecord = m.checks.rebuilding || r.Rep.State() == replica.Rebuilding
	if since := m.wrongSince; !since.IsZero() && r.ReadSince(since) {
		ev.Waited = now.Sub(since) // the room was read since: it would show a loss
	}
	return ev
}

// evidence is what the node knows and what the store has of nodes. alive tells whether
// this node may write members by now.
func (m *Member) evidence(ctx context.Context, stored *store.Member) (ev member.Evidence, alive bool, err error) {
	ms, r := m.Room.all, m.Room
	self := ms.Self()
	states, err := ms.Store.NodeStates(ctx, []string{self, m.owner})
	if err != nil {
		return ev, false, err
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	ev = m.known(stored)
	ev.Node = states[1]
	return ev, states[0] != store.NodeDead && !ms.CatchingUp(), nil
}

// noteWrong notes since when the store does not have the member, while nobody has said why. It
// also has the room loaded: that may show that the store lost data.
func (m *Member) noteWrong() {
	r := m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if m.wrongSince.IsZero() {
		m.wrongSince = r.all.Clock.Now()
		r.Resync()
	}
}

// checked ends a check after which the member stands. If something was noticed while it was
// under way, another one follows.
func (m *Member) checked() {
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	m.wrongSince = time.Time{}
	m.checks.finish()
	m.Room.postCheck(m)
	if m.Session != nil {
		m.Session.ShowAgain(m)
	}
}

// giveUp gives up a member that is another node's, or that somebody removed without a word
// that was heard here.
func (m *Member) giveUp(verdict member.Verdict, reason store.Reason) {
	r := m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	m.checks.drop()
	if r.Owned[m.ConnID] == m {
		r.GiveUpLocked(m, verdict, reason)
	}
}

// GiveUpLocked is giveUp with the lock held. A member that clients still see goes in three
// steps: it is marked as gone, the room is loaded, and the load shows the leave, after which
// compareOwned evicts it. So clients hear of the leave in order, and its own socket does too.
func (r *Room) GiveUpLocked(m *Member, verdict member.Verdict, reason store.Reason) {
	if verdict == member.Moved {
		r.evict(m, "")
		return
	}
	if reason == "" {
		reason = store.ReasonDisconnect
	}
	r.Rep.ContinueLife(m.ConnID, m.Life)
	if shown := r.Rep.Member(m.ConnID); shown != nil && shown.Life == m.Life {
		m.Gone = reason
		m.noteEnd(reason, false)
		r.Resync()
		return
	}
	r.evict(m, reason)
}

// restore writes the record of a member again as its owner knows it; reindex follows. The
// client's epoch stays; that in the store rises. An operation of the member's executor.
func (m *Member) restore(ctx context.Context, stored *store.Member, verdict member.Verdict) error {
	ms, r := m.Room.all, m.Room
	if err := ms.Index.Add(ctx, r.ID); err != nil {
		return err
	}
	r.Mu.Lock()
	next, before, owner, life := m.Record(), m.Epoch.Load(), m.owner, m.Life
	if m.Grace != nil {
		next = m.inGrace(m.Grace.disconnect)
	}
	next.Owner = ms.Self()
	var fence, above int64
	if verdict == member.Reaped {
		next.Life = newLife() // others saw the one before leave
		above = unheardEpochs
	}
	if stored != nil {
		fence = stored.Epoch
		next.Write = max(next.Write, stored.Write)
	}
	next.Epoch = max(before, fence, r.ShownEpoch(m.ConnID)) + above + 1
	next.Write = max(next.Write, m.write.Load()) + 1
	if next.Life != life {
		m.lifeBefore = life
	}
	m.owner, m.Life = next.Owner, next.Life
	m.Epoch.Store(next.Epoch) // also without an answer: a leave must find it
	m.restoring = true
	r.Mu.Unlock()
	m.write.Store(next.Write)
	res, err := r.put(ctx, &store.Put{Intent: store.IntentRestore, Member: next, Fence: fence})
	if err != nil {
		m.inDoubtUntilMs.Store(ms.Expiry(ctx))
		return err
	}
	if !res.Outcome.TookEffect() {
		r.Mu.Lock()
		defer r.Mu.Unlock()
		if m.Epoch.CompareAndSwap(next.Epoch, before) { // somebody was faster
			m.owner, m.Life = owner, life
		}
		return errWritten
	}
	return nil
}

// reindex ends a restore: it writes what there is of the member beside its record.
func (m *Member) reindex(ctx context.Context) error {
	ms := m.Room.all
	if err := ms.AddUser(ctx, m.userEntry()); err != nil {
		return err
	}
	if err := ms.ConnJoin(ctx, m.conn()); err != nil {
		return err
	}
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	m.restoring = false
	return nil
}

// ResolveMismatch follows a write that was fenced or found no member: it checks the member, and
// looks again until there is a verdict, for as long as ctx allows. nil says that the member
// stands as this node's by now: the write may be tried again. If the member is another node's, or
// gone, the error is the one that the client gets (not_joined). An operation of the member's
// executor l.
func (m *Member) ResolveMismatch(ctx context.Context, l *serial.Executor) error {
	ms, r := m.Room.all, m.Room
	for {
		stands, err := m.Check(ctx, l)
		switch {
		case stands:
			return nil
		case err == nil:
			return wire.NotJoined(r.ID)
		case !errors.Is(err, errLookAgain):
			return err
		}
		if err := ms.Wait(ctx, checkPause); err != nil {
			return err
		}
	}
}

// compareOwned compares a member of this node with what the store has of it (nil: nothing)
// by an event or a load. What is certain is done at once; else the member is checked. The
// lock is held.
func (r *Room) compareOwned(m *Member, stored *store.Member) {
	if m.Leaving {
		return // the leave under way finds it where it is
	}
	if m.Gone != "" {
		r.evict(m, m.Gone)
		return
	}
	own, ev := m.ownNow(), m.known(stored)
	switch verdict := member.Judge(&own, stored, &ev); verdict {
	case member.Same, member.Newer:
	case member.Moved, member.Gone:
		r.GiveUpLocked(m, verdict, ev.Reason)
	default:
		r.checkOwned(m)
	}
}

// checkState says whether an owned member is to be checked. Only its methods change it; the
// room's lock is held.
type checkState struct {
	// due: the store was seen not to have the member as it should, and no check has
	// finished since. It outlives a change of executor.
	due bool
	// again: that was seen once more since the check that is under way began. What that
	// check has read may be older, so another one follows it.
	again bool
	// posted: an operation of the member's executor is about to check, or waits in the
	// retry queue.
	posted bool
	// rebuilding: that was seen while the room was rebuilt. The check may take longer than that
	// lasts, when the store does not answer.
	rebuilding bool
}

// notice makes a check due.
func (c *checkState) notice(rebuilding bool) {
	c.due, c.again = true, true
	c.rebuilding = c.rebuilding || rebuilding
}

// begin is called before a check reads what the store has.
func (c *checkState) begin() { c.again = false }

// finish ends a check after which the member stands.
func (c *checkState) finish() {
	again := c.again
	*c = checkState{due: again, again: again, rebuilding: again && c.rebuilding}
}

// drop ends what was posted without a result: the member is in another executor by now, or
// is about to leave this one. What is due stays due.
func (c *checkState) drop() { c.posted = false }
