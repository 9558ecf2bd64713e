package engine

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// patchSlack is by how much the text of a patch, or of keys to remove, may be longer
// than a state: it may have spaces, and say a key twice.
const patchSlack = 4

func (st *roomSession) tryPatch(deadline time.Time, epoch wire.Optional, d wire.Edit) (wire.HeartbeatAck, error) {
	e := st.sock.eng
	m, ack, err := st.checkPatch(epoch, d)
	if m == nil {
		return ack, err
	}
	ctx := e.deadlines.Shared(deadline)
	if err := st.executor.ResolveInDoubt(ctx); err != nil {
		return ack, err
	}
	state, err := m.merge(d)
	if state == nil {
		return ack, err
	}
	seq, err := m.writeState(ctx, &st.executor, state)
	return storedAck(m, ack, seq), err
}

// checkPatch looks at what a heartbeat with a patch asks for. Without a member, the
// answer or the error is all that there is to it. An operation of the executor.
func (st *roomSession) checkPatch(epoch wire.Optional, d wire.Edit) (*ownedMember, wire.HeartbeatAck, error) {
	m := st.member.Load()
	if m == nil {
		return nil, wire.HeartbeatAck{}, wire.NotJoined(st.roomID())
	}
	ack, most := currentAck(m, epoch), st.sock.eng.Limits.StateBytes
	switch {
	case d.None() || ack.Stale:
		return nil, ack, nil
	case len(d.Patch) > patchSlack*most:
		return nil, ack, wire.StateTooLarge(len(d.Patch), most)
	case len(d.Remove) > patchSlack*most:
		return nil, ack, wire.Invalid("removeState has %d bytes, more than the keys of any state.", len(d.Remove))
	}
	return m, ack, nil
}

// merge is the member's state after a patch; nil if that changes nothing, or
// cannot be. An operation of the executor.
func (m *ownedMember) merge(d wire.Edit) ([]byte, error) {
	state, changed, err := jsontext.Merge(m.state, d.Patch, d.Remove)
	switch most := m.room.all.Limits.StateBytes; {
	case err != nil:
		return nil, wire.Invalid("patchState: %v.", err)
	case changed && len(state) > most:
		return nil, wire.StateTooLarge(len(state), most)
	case !changed:
		return nil, nil
	}
	return state, nil
}

// storedAck is the answer to a patch that was stored, given that to one that changes nothing.
func storedAck(m *ownedMember, ack wire.HeartbeatAck, seq int64) wire.HeartbeatAck {
	ack.Epoch, ack.Changed, ack.Seq = m.epoch.Load(), true, seq
	return ack
}

// writeState stores a new state of a member and returns the event's seq. One that the
// store lost meanwhile is restored first. An operation of the member's executor l.
func (m *ownedMember) writeState(ctx context.Context, l *serial.Executor, state []byte) (seq int64, err error) {
	for {
		next := m.withState(state)
		found, seq, err := m.update(ctx, l, &next)
		if err != nil || found.TookEffect() {
			return seq, err
		}
		if err := m.resolveMismatch(ctx, l); err != nil {
			return 0, err
		}
	}
}

// withState is the record of the member with another state.
func (m *ownedMember) withState(state []byte) store.Member {
	next := m.record()
	next.State = state
	next.Away = false // a client that writes is not away
	next.Write++
	return next
}

// pendingPatch is a patch at the store, for whose answer no goroutine waits: most
// patches are, since clients seldom have more than one under way. It holds a place
// among the workers.
type pendingPatch struct {
	st       *roomSession
	m        *ownedMember
	a        Acker
	ack      wire.HeartbeatAck
	deadline time.Time
	put      store.Put
}

// startPatch carries a patch out in an executor that it has begun in. It does not
// block; the edit's bytes are the caller's.
func (st *roomSession) startPatch(epoch wire.Optional, d wire.Edit, a Acker) {
	e := st.sock.eng
	deadline := e.requestDeadline()
	if st.executor.HasInDoubt() { // which comes first, and blocks
		d := d.Clone()
		e.start(func() {
			st.runHeartbeat(deadline, epoch, d, a)
			st.executor.Release(e.start)
		})
		return
	}
	var state []byte
	m, ack, err := st.checkPatch(epoch, d)
	if m != nil {
		state, err = m.merge(d)
	}
	if state != nil && !e.workers.TryHold() {
		state, err = nil, store.ErrClosed
	}
	if state == nil {
		st.answerPatch(a, ack, err)
		st.executor.Release(e.start)
		return
	}
	next := m.withState(state)
	p := &pendingPatch{st, m, a, ack, deadline, store.Put{Intent: store.IntentUpdate, Member: next, Fence: next.Epoch}}
	ctx := e.deadlines.Shared(deadline)
	m.room.fillPut(ctx, &p.put)
	e.store.StartPut(ctx, &p.put, p)
}

// PutDone implements store.PutWaiter.
func (p *pendingPatch) PutDone(res store.PutResult, err error) {
	st, e := p.st, p.st.sock.eng
	err = expired(res.Outcome, err)
	if err != nil || !res.Outcome.TookEffect() {
		e.workers.Go(func() { p.finishSlow(res, err) })
		return
	}
	defer e.workers.Release()
	p.m.applied(res.Outcome, &p.put.Member)
	e.answerHeartbeat(p.a, storedAck(p.m, p.ack, res.Member.Seq))
	st.executor.Release(e.start)
}

// finishSlow is what becomes of a patch that was not simply written. It blocks.
func (p *pendingPatch) finishSlow(res store.PutResult, err error) {
	st, m, e := p.st, p.m, p.st.sock.eng
	defer e.workers.Release()
	ctx := e.deadlines.Shared(p.deadline)
	_, seq, err := m.updated(&st.executor, &p.put, res, err)
	if err == nil {
		if err = m.resolveMismatch(ctx, &st.executor); err == nil {
			seq, err = m.writeState(ctx, &st.executor, p.put.Member.State)
		}
	}
	st.answerPatch(p.a, storedAck(m, p.ack, seq), err)
	st.executor.Release(e.start)
}
