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
	r := st.room
	stands, ok := r.resumable(p)
	if !ok {
		return false, nil
	}
	m := &membership{
		room: r, owner: st.sock.eng.self(), connID: stands.ConnID, userID: p.userID, state: p.state, token: p.resume, digest: digestOf(p.resume),
		joinedMs: stands.JoinedMs, graceMs: stands.GraceMs, place: -1,
	}
	if p.grace.given {
		m.graceMs = p.grace.value
	}
	waiting := r.await(m.connID, stands.Epoch+1)
	defer r.unexpect(waiting)
	res, err := st.takeOver(ctx, m, stands, waiting, p.state == nil)
	if err != nil || res.Outcome == store.Fenced || res.Outcome == store.Missing {
		r.unexpect(waiting)
		if err == nil {
			st.sock.eng.cleanUp(&st.lane, func(ctx context.Context) error { return m.forget(ctx, res) })
		}
		return false, err
	}
	m.write, m.state = res.Member.Write, res.Member.State
	m.clientEpoch.Store(m.epoch.Load())
	r.succeed(m)
	if err = st.sock.eng.store.ConnJoin(ctx, m.conn()); err == nil {
		err = waiting.wait(ctx, r)
	}
	if err == nil && st.welcome(m, a, waiting, true) {
		return true, nil
	}
	// The client is told that it has no membership: back into grace with it,
	// unless somebody took or removed it meanwhile.
	m.beginGrace(&st.lane, st.sock.eng.lossNow(ReasonDisconnect, max(m.graceMs, 1)))
	if err == nil {
		err = notJoined(r.id)
	}
	return true, err
}

// resumable finds the member that a join's token speaks of, as the replica
// knows it.
func (r *room) resumable(p *joinPayload) (store.Member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[tokenConn(p.resume)]
	if m == nil || m.UserID != p.userID || m.GraceMs == 0 || m.Token != digestOf(p.resume) {
		return store.Member{}, false
	}
	return m.Member, true
}

// takeOver moves the member to this node and this socket in one step of the
// store, following it when it was written meanwhile.
func (st *seat) takeOver(ctx context.Context, m *membership, stands store.Member, waiting *arrival, keepState bool) (store.PutResult, error) {
	e, r := st.sock.eng, st.room
	var res store.PutResult
	for range resumeTries {
		m.epoch.Store(stands.Epoch + 1)
		m.write = stands.Write + 1
		r.mu.Lock()
		waiting.epoch = m.epoch.Load()
		r.mu.Unlock()
		if err := e.store.Register(ctx, m.entry()); err != nil {
			e.unsettle(&st.lane, m.unregister)
			return res, err
		}
		var err error
		res, err = e.put(ctx, store.Put{
			Intent: store.IntentResume, Member: m.record(), Fence: stands.Epoch, KeepState: keepState,
		}, r)
		if err != nil {
			e.unsettle(&st.lane, func(ctx context.Context) error { return st.unresume(ctx, m) })
			return res, err
		}
		if res.Outcome != store.Fenced || res.Member.Epoch == stands.Epoch || res.Member.Token != stands.Token {
			return res, nil
		}
		stands = res.Member
	}
	return res, nil
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
	m.write, m.state = res.Member.Write, res.Member.State
	m.clientEpoch.Store(record.Epoch)
	r.succeed(m)
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

// unregister takes back index entries that may have been written for a resume
// that then did not begin, or did not last.
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
// member before, with a socket or in grace, is out.
func (r *room) succeed(m *membership) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.owned[m.connID]; before != nil && before != m {
		r.evict(before, evictReplaced, "")
	}
	r.own(m)
}
