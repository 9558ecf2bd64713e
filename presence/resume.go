package presence

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// resumeTries is how often a resume follows a member that is being written or
// moved at the same time.
const resumeTries = 4

// resume takes a membership over that another socket had, here or on any node.
// done is false when the token fits nothing: the join is an ordinary one then.
func (st *seat) resume(ctx context.Context, p *joinPayload, a answerer) (done bool, err error) {
	e, r := st.sock.eng, st.room
	stands, err := r.resumable(ctx, p)
	if err != nil || stands == nil {
		return false, err
	}
	m := &membership{
		room: r, owner: e.self(), connID: stands.ConnID, userID: p.userID, state: p.state, token: p.resume,
		joinedMs: stands.JoinedMs, place: -1,
	}
	m.setGrace(stands.GraceMs)
	if p.grace.given {
		m.graceMs = p.grace.value
	}
	res, waiting, err := st.takeOver(ctx, m, *stands, p.state == nil)
	defer r.unexpect(waiting)
	if err != nil || res.Outcome == store.Fenced || res.Outcome == store.Missing {
		if err == nil {
			e.unsettle(&st.lane, e.patient(0, func(ctx context.Context) error { return m.forget(ctx, res) }))
		}
		return false, err
	}
	m.state = res.Member.State
	m.write.Store(res.Member.Write)
	m.clientEpoch.Store(m.epoch.Load())
	if !r.succeed(m, res) {
		e.unsettle(&st.lane, e.patient(0, m.unregister))
		return true, notJoined(r.id)
	}
	if err = e.connJoin(ctx, m.conn()); err == nil {
		err = waiting.wait(ctx, r)
	}
	if err == nil && st.welcome(m, a, waiting, true) {
		return true, nil
	}
	// The client is told that it has no membership: back into grace with it,
	// unless somebody took or removed it meanwhile.
	m.beginGrace(&st.lane, e.lossNow(ReasonDisconnect, max(m.graceMs, 1)))
	if err == nil {
		err = notJoined(r.id)
	}
	return true, err
}

// maxToken is more than any token has; longer ones are nobody's.
const maxToken = 512

// resumable finds the member that a join's token speaks of; nil if there is
// none. A replica that lags behind is no reason to refuse: the store decides.
func (r *room) resumable(ctx context.Context, p *joinPayload) (*store.Member, error) {
	fits := func(m *store.Member) bool {
		return m.UserID == p.userID && m.GraceMs > 0 && m.Token == digestOf(p.resume)
	}
	connID := tokenConn(p.resume)
	if connID == "" {
		return nil, nil
	}
	r.mu.Lock()
	known := r.members[connID]
	r.mu.Unlock()
	if known != nil && fits(&known.Member) {
		stands := known.Member
		return &stands, nil
	}
	found, err := r.eng.store.LoadMembers(ctx, r.id, []string{connID})
	if err != nil || len(found.Members) == 0 || !fits(&found.Members[0]) {
		return nil, err
	}
	return &found.Members[0], nil
}

// takeOver moves the member to this node and this socket in one step of the
// store, following it when it was written meanwhile.
func (st *seat) takeOver(ctx context.Context, m *membership, stands store.Member, keepState bool) (res store.PutResult, waiting *arrival, err error) {
	e, r := st.sock.eng, st.room
	for range resumeTries {
		m.epoch.Store(stands.Epoch + 1)
		m.write.Store(stands.Write + 1)
		r.unexpect(waiting)
		waiting = r.await(m.connID, m.epoch.Load())
		if err = e.register(ctx, m.entry()); err != nil {
			e.unsettle(&st.lane, e.patient(e.expiry(ctx), m.unregister))
			return res, waiting, err
		}
		res, err = e.put(ctx, store.Put{
			Intent: store.IntentResume, Member: m.record(), Fence: stands.Epoch, KeepState: keepState,
		}, r)
		if err != nil {
			e.unsettle(&st.lane, e.patient(0, func(ctx context.Context) error { return st.unresume(ctx, m) }))
			return res, waiting, err
		}
		if res.Outcome != store.Fenced || res.Member.Epoch == stands.Epoch || res.Member.Token != stands.Token {
			return res, waiting, nil
		}
		stands = res.Member
	}
	return res, waiting, nil
}

// unresume settles a resume in doubt: if it took effect the member is this
// node's, without a socket, and its grace begins.
func (st *seat) unresume(ctx context.Context, m *membership) error {
	e, r := st.sock.eng, st.room
	record := m.record()
	res, err := e.put(ctx, store.Put{
		Intent: store.IntentResume, Member: record, Fence: record.Epoch - 1, KeepState: m.state == nil,
	}, r)
	if err != nil {
		return err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		return m.forget(ctx, res)
	}
	m.state = res.Member.State
	m.write.Store(res.Member.Write)
	m.clientEpoch.Store(record.Epoch)
	if !r.succeed(m, res) {
		return m.unregister(ctx)
	}
	m.beginGrace(&st.lane, st.sock.eng.lossNow(ReasonDisconnect, max(m.graceMs, 1)))
	return nil
}

// forget removes the index entries of a resume that came to nothing: the
// node's, and the user's too if the member is gone or another user's.
func (m *membership) forget(ctx context.Context, found store.PutResult) error {
	switch {
	case found.Outcome == store.Missing:
		return m.room.eraseEntry(ctx, m.entry())
	case found.Member.UserID != m.userID:
		return m.room.unregister(ctx, m.entry())
	}
	return m.room.disownEntry(ctx, m.entry())
}

// unregister settles a membership that was given up while others wrote it: what
// still stands of it under this node's id ends as on a dead node, index entries
// that have no member are removed.
func (m *membership) unregister(ctx context.Context) error {
	found, err := m.room.eng.store.LoadMembers(ctx, m.room.id, []string{m.connID})
	if err != nil {
		return err
	}
	if len(found.Members) > 0 {
		stands := found.Members[0]
		if stands.Owner == m.owner && !m.room.isHere(m.connID) { // this node's, and forgotten
			return m.room.eng.reapMember(ctx, m.entry(), &stands, found.NowMs)
		}
		return m.forget(ctx, store.PutResult{Outcome: store.Fenced, Member: stands})
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
