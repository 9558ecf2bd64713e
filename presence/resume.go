package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// resumeTries is how often a resume follows a member that is being written or
// moved at the same time.
const resumeTries = 4

// resume takes a membership over that another socket had, here or on any node.
// done is false when the token fits nothing: the join is an ordinary one then.
func (st *seat) resume(ctx context.Context, p *joinPayload, a answerer) (done bool, err error) {
	connID := tokenConn(p.resume)
	if connID == "" {
		return false, nil
	}
	if err := st.room.moves.Lock(ctx, connID); err != nil {
		return false, fmt.Errorf("take member %s over: another request does: %w: %w", connID, store.ErrUnavailable, err)
	}
	t := &takeover{st: st, p: p, connID: connID}
	defer t.end()
	for {
		found, err := t.try(ctx)
		switch {
		case err != nil:
			return false, err
		case found:
			return t.seat(ctx, a)
		}
		lost, err := st.mayBeLost(ctx)
		if err != nil || !lost && !t.shown() {
			return false, err
		}
		if err := st.sock.eng.wait(ctx, lostRetry); err != nil {
			return false, err
		}
	}
}

// lostRetry is how often a resume looks again for a member that the store lost
// and that its owner is about to restore.
const lostRetry = 150 * time.Millisecond

// takeover is a resume under way.
type takeover struct {
	st      *seat
	p       *joinPayload
	connID  string
	m       *membership
	known   *store.Member // as the replica had it; nil if it had not
	res     store.PutResult
	waiting *arrival
	doubt   bool // a write without an answer goes on with the move
}

func (t *takeover) end() {
	t.st.room.unexpect(t.waiting)
	if !t.doubt {
		t.st.room.moves.Unlock(t.connID)
	}
}

// try looks for the member and writes it as this node's. It reports false when
// there is none that the token fits.
func (t *takeover) try(ctx context.Context) (found bool, err error) {
	st, p := t.st, t.p
	e, r := st.sock.eng, st.room
	stands, err := t.resumable(ctx)
	if err != nil || stands == nil {
		return false, err
	}
	m := &membership{
		room: r, owner: e.self(), life: stands.Life, connID: t.connID, userID: p.userID, state: p.state, token: p.resume,
		place: -1,
	}
	m.joinedMs.Store(stands.JoinedMs)
	m.setGrace(stands.GraceMs)
	if p.grace.given {
		m.graceMs = p.grace.value
	}
	t.m = m
	if err := t.write(ctx, *stands); err != nil {
		return false, err
	}
	if t.res.Outcome == store.Fenced || t.res.Outcome == store.Missing {
		res := t.res
		e.unsettle(&st.lane, e.patient(0, func(ctx context.Context) error { return m.forget(ctx, res) }))
		return false, nil
	}
	m.tookOver(&t.res.Member)
	m.clientEpoch.Store(m.epoch.Load())
	if !r.succeed(m, t.res) { // taken over again, or removed
		e.unsettle(&st.lane, e.patient(0, m.unregister))
		return false, errRemoved
	}
	return true, nil
}

// seat gives the member that was taken over to the socket, and answers.
func (t *takeover) seat(ctx context.Context, a answerer) (done bool, err error) {
	st, m := t.st, t.m
	e, r := st.sock.eng, st.room
	if err = e.connJoin(ctx, m.conn()); err == nil {
		err = t.keepNewest(ctx)
	}
	if err == nil {
		err = t.waiting.wait(ctx, r)
	}
	if err == nil {
		if err = st.welcome(m, a, t.waiting, true); err == nil {
			return true, nil
		}
	}
	// The client is told that it has no membership: back into grace with it,
	// unless somebody took or removed it meanwhile.
	m.beginGrace(&st.lane, e.lossNow(ReasonDisconnect, max(m.graceMs, 1)))
	return true, err
}

// keepNewest writes the state that the replica knew, where the store had lost
// it before the resume kept what stood.
func (t *takeover) keepNewest(ctx context.Context) error {
	m, known := t.m, t.known
	if t.p.state != nil || known == nil || m.write.Load() > known.Write {
		return nil
	}
	next := m.record()
	next.State, next.Write = known.State, known.Write+1
	_, _, err := t.st.sock.eng.update(ctx, &t.st.lane, m, &next)
	return err
}

// mayBeLost reports whether the store lost data lately, so that members that
// it does not have may be restored any moment.
func (st *seat) mayBeLost(ctx context.Context) (bool, error) {
	e := st.sock.eng
	if st.room.lostOfLate() {
		return true, nil
	}
	state, err := e.stateOf(ctx, e.self())
	if err != nil {
		return false, err
	}
	// A life sign may have made the store know the node again. Its answer tells the
	// node of the loss: that answer is on its way, or was taken in just now.
	return state == store.NodeUnknown || e.beating.Load() || st.room.lostOfLate(), nil
}

// shown tells whether the replica has a member still that the store has not: it
// is about to leave there too, or the store lost it and nobody noticed yet.
func (t *takeover) shown() bool {
	if t.res.Outcome != store.Missing {
		return false
	}
	r := t.st.room
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.members[t.connID]
	return known != nil && t.fits(&known.Member)
}

// fits tells whether a join's token speaks of a member.
func (t *takeover) fits(m *store.Member) bool {
	return m.UserID == t.p.userID && m.GraceMs > 0 && m.Token == digestOf(t.p.resume)
}

// maxToken is more than any token has; longer ones are nobody's.
const maxToken = 512

// resumable finds the member that a join's token speaks of; nil if there is
// none. A replica that lags behind is no reason to refuse: the store decides.
func (t *takeover) resumable(ctx context.Context) (*store.Member, error) {
	r := t.st.room
	r.mu.Lock()
	known := r.members[t.connID]
	r.mu.Unlock()
	if known != nil && t.fits(&known.Member) {
		stands := known.Member
		t.known = &stands
		return &stands, nil
	}
	found, err := r.eng.store.LoadMembers(ctx, r.id, []string{t.connID})
	if err != nil || len(found.Members) == 0 || !t.fits(&found.Members[0]) {
		return nil, err
	}
	return &found.Members[0], nil
}

// write moves the member to this node and this socket in one step of the
// store, following it when it was written meanwhile.
func (t *takeover) write(ctx context.Context, stands store.Member) (err error) {
	st, m := t.st, t.m
	e, r := st.sock.eng, st.room
	for range resumeTries {
		epoch := stands.Epoch
		if t.known != nil {
			epoch = max(epoch, t.known.Epoch)
		}
		r.mu.Lock()
		if own := r.owned[t.connID]; own != nil { // taken over just now: its event may be on its way
			epoch = max(epoch, own.epoch.Load())
		}
		r.mu.Unlock()
		m.epoch.Store(epoch + 1)
		m.write.Store(0) // the store counts on from its own
		r.unexpect(t.waiting)
		t.waiting = r.await(m, m.epoch.Load())
		if err = e.register(ctx, m.entry()); err != nil {
			e.unsettle(&st.lane, e.patient(e.expiry(ctx), m.unregister))
			return err
		}
		t.res, err = e.put(ctx, t.put(stands.Epoch), r)
		if err != nil {
			t.doubt = true
			e.unsettle(&st.lane, e.patient(0, func(ctx context.Context) error { return t.settle(ctx, stands.Epoch) }))
			return err
		}
		if t.res.Outcome != store.Fenced || t.res.Member.Epoch == stands.Epoch || t.res.Member.Token != stands.Token {
			return nil
		}
		stands = t.res.Member
	}
	return nil
}

func (t *takeover) put(fence int64) *store.Put {
	return &store.Put{Intent: store.IntentResume, Member: t.m.record(), Fence: fence, KeepState: t.p.state == nil}
}

// settle finds out what became of a resume in doubt: if it took effect the
// member is this node's, without a socket, and its grace begins.
func (t *takeover) settle(ctx context.Context, fence int64) error {
	st, m := t.st, t.m
	e, r := st.sock.eng, st.room
	res, err := e.put(ctx, t.put(fence), r)
	if err != nil {
		return err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		err = m.forget(ctx, res)
	} else {
		m.tookOver(&res.Member)
		m.clientEpoch.Store(m.epoch.Load())
		if r.succeed(m, res) {
			m.beginGrace(&st.lane, e.lossNow(ReasonDisconnect, max(m.graceMs, 1)))
		} else {
			err = m.unregister(ctx)
		}
	}
	if err == nil {
		r.moves.Unlock(t.connID)
	}
	return err
}

// tookOver fills in what a resume kept of the member that stood. Nobody else knows the
// membership yet.
func (m *membership) tookOver(stands *store.Member) {
	m.state, m.life, m.newer = stands.State, stands.Life, stands.Newer
	m.write.Store(stands.Write)
}

// forget removes the index entries of a resume that came to nothing. A member
// that stands under this node's id although it is not known here ends as on a
// dead node.
func (m *membership) forget(ctx context.Context, found store.PutResult) error {
	e := m.room.eng
	switch {
	case found.Outcome == store.Missing:
		return m.room.eraseEntry(ctx, m.entry())
	case found.Member.Owner == m.owner && !m.room.isHere(m.connID):
		return e.reapMember(ctx, m.entry(), &found.Member, e.storeNow())
	}
	return m.room.unregister(ctx, m.entry())
}

// unregister settles a membership that was given up while others wrote it.
func (m *membership) unregister(ctx context.Context) error {
	found, err := m.room.eng.store.LoadMembers(ctx, m.room.id, []string{m.connID})
	if err != nil {
		return err
	}
	if len(found.Members) > 0 {
		return m.forget(ctx, store.PutResult{Outcome: store.Fenced, Member: found.Members[0]})
	}
	return m.forget(ctx, store.PutResult{Outcome: store.Missing})
}

// succeed makes a resumed membership this node's; one that it had of the same
// member before, with a socket or in grace, is out. It reports false when the
// replica knows better by now: the member was taken over again, or removed.
func (r *room) succeed(m *membership, res store.PutResult) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	epoch, stands, before := m.epoch.Load(), r.members[m.connID], r.owned[m.connID]
	switch {
	case stands != nil && stands.Epoch > epoch,
		stands == nil && r.pos.Born == res.Born && r.pos.Seq >= res.Seq,
		before != nil && before != m && before.epoch.Load() > epoch:
		return false
	}
	if before != nil && before != m {
		r.evict(before, evictReplaced, "")
	}
	r.own(m)
	return true
}
