package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
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
	unheardEpochs = 1 << 10
)

// errLookAgain is that a check has to be tried again in a moment, for one of these reasons.
var (
	errLookAgain    = fmt.Errorf("check: %w", store.ErrUnavailable)
	errUndecided    = fmt.Errorf("nobody has said yet what became of the member: %w", errLookAgain)
	errMoving       = fmt.Errorf("another request moves the member: %w", errLookAgain)
	errWritten      = fmt.Errorf("the member was written meanwhile: %w", errLookAgain)
	errDeclaredDead = fmt.Errorf("this node was declared dead: %w", errLookAgain)
)

// checkOwned has it found out what became of a member that the store does not have as it
// should. The lock is held.
func (r *ownRoom) checkOwned(m *ownedMember) {
	if r.owned[m.connID] == m {
		m.checks.notice(r.lostDataLocked(r.all.clock.Now()))
		r.postCheck(m)
	}
}

// checkSoon is checkOwned without the lock.
func (m *ownedMember) checkSoon() {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.room.checkOwned(m)
}

// postCheck queues a check that is due, unless one is under way, or the member has
// neither a socket nor a grace: it is on its way to one of them, and that comes back to
// this. The lock is held.
func (r *ownRoom) postCheck(m *ownedMember) {
	e, l := r.all, m.writer()
	if !m.checks.due || m.checks.posted || l == nil {
		return
	}
	m.checks.posted = true
	step := func(ctx context.Context) error {
		_, err := m.check(ctx, l)
		return err
	}
	e.checks.Schedule(l, func(posted time.Time) {
		ctx, cancel := e.deadlines.Until(e.deadlines.After(posted))
		defer cancel()
		if step(ctx) != nil {
			e.markInDoubt(l, step)
		}
	})
}

// check finds out what became of a member that the store does not have as it should, and
// makes it right: acknowledged writes survive. It reports whether the member stands then
// and is this node's. It may be repeated. An operation of the member's executor l; one of an
// executor that is not the member's any more does nothing.
func (m *ownedMember) check(ctx context.Context, l *serial.Executor) (stands bool, err error) {
	e, r := m.room.all, m.room
	if !r.handoffs.TryLock(m.connID) {
		return false, errMoving
	}
	defer r.handoffs.Unlock(m.connID)
	own, ok := m.beginCheck(l)
	if !ok {
		return false, nil
	}
	stored, err := e.stored(ctx, r.id, m.connID)
	if err != nil {
		return false, err
	}
	ev, alive, err := m.evidence(ctx, stored)
	if err != nil {
		return false, err
	}
	switch verdict := member.Judge(&own, stored, &ev); verdict {
	case member.Same, member.Newer:
		m.epoch.Store(stored.Epoch)
		m.write.Store(stored.Write)
		m.state = stored.State
		m.away.Store(stored.Away)
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
func (m *ownedMember) beginCheck(l *serial.Executor) (own member.Own, ok bool) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.writer() != l:
		return own, false
	case r.owned[m.connID] != m || m.leaving || m.gone != "",
		m.session != nil && m.session.Closed(), // what comes of that is about to be seen to
		m.grace != nil && m.grace.ended:
		m.checks.drop()
		return own, false
	}
	m.checks.begin()
	return m.ownNow(), true
}

// ownNow is what Judge needs of it. What clients were shown counts: a rejoin that was refused
// may have been seen before the store lost it. The room's lock is held.
func (m *ownedMember) ownNow() member.Own {
	own := member.Own{
		Life: m.life, Node: m.owner, Epoch: m.epoch.Load(), Write: m.write.Load(), GraceMs: m.graceMs, Online: m.session != nil,
	}
	if shown := m.room.rep.Member(m.connID); shown != nil && shown.Life == m.life && shown.Owner == m.owner {
		own.Epoch = max(own.Epoch, shown.Epoch)
	}
	return own
}

// known is the evidence that this node has without asking the store. The room's lock is
// held.
func (m *ownedMember) known(stored *store.Member) (ev member.Evidence) {
	e, r, now := m.room.all, m.room, m.room.all.clock.Now()
	if t, ok := e.tombstones.Of(m.life, now); ok {
		ev.Ended, ev.Reason, ev.EndedUnder = true, t.Reason, t.Owner
	}
	if stored != nil && stored.Life != m.life {
		_, ev.OtherEnded = e.tombstones.Of(stored.Life, now)
	}
	ev.Restoring = m.restoring
	ev.Renamed = m.owner != e.self()
	ev.Silence = time.Duration(e.missedRenewals.Load())
	ev.DataLoss = m.checks.afterLoss || r.lostDataLocked(now)
	if since := m.wrongSince; !since.IsZero() && r.readSince(since) {
		ev.Waited = now.Sub(since) // the room was read since: it would show a loss
	}
	return ev
}

// evidence is what the node knows and what the store has of nodes. alive tells whether
// this node may write members by now.
func (m *ownedMember) evidence(ctx context.Context, stored *store.Member) (ev member.Evidence, alive bool, err error) {
	e, r := m.room.all, m.room
	self := e.self()
	states, err := e.store.NodeStates(ctx, []string{self, m.owner})
	if err != nil {
		return ev, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ev = m.known(stored)
	ev.Node = states[1]
	return ev, states[0] != store.NodeDead && !e.catchingUp(), nil
}

// noteWrong notes since when the store does not have the member without a word why, and has
// the room read: it may show that the store lost data.
func (m *ownedMember) noteWrong() {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.wrongSince.IsZero() {
		m.wrongSince = r.all.clock.Now()
		r.resync()
	}
}

// checked ends a check after which the member stands. If something was noticed while it was
// under way, another one follows.
func (m *ownedMember) checked() {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.wrongSince = time.Time{}
	m.checks.finish()
	m.room.postCheck(m)
	if m.session != nil {
		m.session.ShowAgain(m)
	}
}

// giveUp gives up a member that is another node's, or that somebody removed without a word
// that was heard here.
func (m *ownedMember) giveUp(verdict member.Verdict, reason store.Reason) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	m.checks.drop()
	if r.owned[m.connID] == m {
		r.giveUpLocked(m, verdict, reason)
	}
}

// giveUpLocked is giveUp with the lock held. A member that clients still see goes in three
// steps: it is marked as gone, the room is loaded, and the load shows the leave, after which
// compareOwned evicts it. So clients hear of the leave in order, and its own socket does too.
func (r *ownRoom) giveUpLocked(m *ownedMember, verdict member.Verdict, reason store.Reason) {
	if verdict == member.Moved {
		r.evict(m, "")
		return
	}
	if reason == "" {
		reason = store.ReasonDisconnect
	}
	if shown := r.rep.Member(m.connID); shown != nil && shown.Life == m.life {
		m.gone = reason
		m.noteEnd(reason, false)
		r.resync()
		return
	}
	r.evict(m, reason)
}

// restore writes the record of a member again as its owner knows it; reindex follows. The
// client's epoch stays; that in the store rises. An operation of the member's executor.
func (m *ownedMember) restore(ctx context.Context, stored *store.Member, verdict member.Verdict) error {
	e, r := m.room.all, m.room
	if err := e.index.Add(ctx, r.id); err != nil {
		return err
	}
	r.mu.Lock()
	next, before, owner, life := m.record(), m.epoch.Load(), m.owner, m.life
	if m.grace != nil {
		next = m.inGrace(m.grace.disconnect)
	}
	next.Owner = e.self()
	var fence, above int64
	if verdict == member.Reaped {
		next.Life = newLife() // others saw the one before leave
		above = unheardEpochs
	}
	if stored != nil {
		fence = stored.Epoch
		next.Write = max(next.Write, stored.Write)
	}
	next.Epoch = max(before, fence, r.shownEpoch(m.connID)) + above + 1
	next.Write = max(next.Write, m.write.Load()) + 1
	m.owner, m.life = next.Owner, next.Life
	m.epoch.Store(next.Epoch) // also without an answer: a leave must find it
	m.restoring = true
	r.mu.Unlock()
	m.write.Store(next.Write)
	res, err := r.put(ctx, &store.Put{Intent: store.IntentRestore, Member: next, Fence: fence})
	if err != nil {
		m.inDoubtUntilMs.Store(e.expiry(ctx))
		return err
	}
	if !res.Outcome.TookEffect() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if m.epoch.CompareAndSwap(next.Epoch, before) { // somebody was faster
			m.owner, m.life = owner, life
		}
		m.restoring = false
		return errWritten
	}
	return nil
}

// reindex ends a restore: it writes what there is of the member beside its record.
func (m *ownedMember) reindex(ctx context.Context) error {
	e := m.room.all
	if err := e.addUser(ctx, m.userEntry()); err != nil {
		return err
	}
	if err := e.connJoin(ctx, m.conn()); err != nil {
		return err
	}
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.restoring = false
	return nil
}

// resolveMismatch finds out why the store does not have a member as this node's that a write was
// for. It reports true when the member stands by now: the write may be tried again. If
// somebody removed it or took it over the error is the client's. It waits for word of who
// did that, for as long as ctx allows. An operation of the member's executor l.
func (m *ownedMember) resolveMismatch(ctx context.Context, l *serial.Executor) error {
	e, r := m.room.all, m.room
	for {
		stands, err := m.check(ctx, l)
		switch {
		case stands:
			return nil
		case err == nil:
			return wire.NotJoined(r.id)
		case !errors.Is(err, errLookAgain):
			return err
		}
		if err := e.wait(ctx, checkPause); err != nil {
			return err
		}
	}
}

// Loaded implements roomMembers.
func (r *ownRoom) Loaded(members []store.Member) {
	stored := make(map[string]*store.Member, len(r.owned))
	for i := range members {
		if m := &members[i]; r.owned[m.ConnID] != nil {
			stored[m.ConnID] = m
		}
	}
	for id, own := range r.owned {
		r.compareOwned(own, stored[id])
	}
}

// compareOwned compares a member of this node with what the store has of it (nil: nothing)
// by an event or a load. What is certain is done at once; else the member is checked. The
// lock is held.
func (r *ownRoom) compareOwned(m *ownedMember, stored *store.Member) {
	if m.leaving {
		return // the leave under way finds it where it is
	}
	if m.gone != "" {
		r.evict(m, m.gone)
		return
	}
	own, ev := m.ownNow(), m.known(stored)
	if stored == nil && !ev.Ended {
		r.checkOwned(m) // a load lacks it, without a word why
		return
	}
	switch verdict := member.Judge(&own, stored, &ev); verdict {
	case member.Same, member.Newer:
	case member.Moved, member.Gone:
		r.giveUpLocked(m, verdict, ev.Reason)
	default:
		r.checkOwned(m)
	}
}
