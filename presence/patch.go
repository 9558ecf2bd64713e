package presence

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// patchRoom is by how much the text of a patch, or of keys to remove, may be longer
// than a state: it may have spaces, and say a key twice.
const patchRoom = 4

func (st *seat) tryPatch(deadline time.Time, epoch optional, d edit) (heartbeatAck, error) {
	e := st.sock.eng
	m, ack, err := st.weigh(epoch, d)
	if m == nil {
		return ack, err
	}
	ctx := e.near(deadline)
	if err := st.settle(ctx); err != nil {
		return ack, err
	}
	state, err := m.merge(d)
	if state == nil {
		return ack, err
	}
	seq, err := st.write(ctx, m, state)
	return ack.of(m, seq), err
}

// weigh looks at what a heartbeat with a patch asks for. Without a member, the
// answer or the error is all that there is to it. An operation of the lane.
func (st *seat) weigh(epoch optional, d edit) (*membership, heartbeatAck, error) {
	m := st.member.Load()
	if m == nil {
		return nil, heartbeatAck{}, notJoined(st.roomID)
	}
	ack, most := m.heard(epoch), st.sock.eng.limits.stateBytes
	switch {
	case d.none() || ack.stale:
		return nil, ack, nil
	case len(d.patch) > patchRoom*most:
		return nil, ack, stateTooLarge(len(d.patch), most)
	case len(d.remove) > patchRoom*most:
		return nil, ack, invalid("removeState has %d bytes, more than the keys of any state.", len(d.remove))
	}
	return m, ack, nil
}

// merge is the member's state after a patch; nil if that changes nothing, or
// cannot be. An operation of the lane.
func (m *membership) merge(d edit) ([]byte, error) {
	state, changed, err := jsontext.Merge(m.state, d.patch, d.remove)
	switch most := m.room.eng.limits.stateBytes; {
	case err != nil:
		return nil, invalid("patchState: %v.", err)
	case changed && len(state) > most:
		return nil, stateTooLarge(len(state), most)
	case !changed:
		return nil, nil
	}
	return state, nil
}

// of is the answer to a patch that was stored.
func (ack heartbeatAck) of(m *membership, seq int64) heartbeatAck {
	ack.epoch, ack.changed, ack.seq = m.epoch.Load(), true, seq
	return ack
}

// write stores a new state of a member and returns the event's seq. One that the
// store lost meanwhile is restored first.
func (st *seat) write(ctx context.Context, m *membership, state []byte) (seq int64, err error) {
	for {
		next := m.changed(state)
		found, seq, err := st.sock.eng.update(ctx, &st.lane, m, &next)
		if err != nil || found == store.Applied || found == store.Repeated {
			return seq, err
		}
		if restored, err := st.explain(ctx, m, found); err != nil || !restored {
			return 0, err
		}
	}
}

// changed is the member as it shall stand with another state.
func (m *membership) changed(state []byte) store.Member {
	next := m.record()
	next.State = state
	next.Away = false // who writes is there
	next.Write++
	return next
}

// patching is a patch at the store, for whose answer no goroutine waits: most
// patches are, since clients seldom have more than one under way. It holds a place
// among the workers.
type patching struct {
	st       *seat
	m        *membership
	a        answerer
	ack      heartbeatAck
	deadline time.Time
	put      store.Put
}

// startPatch carries a patch out in a lane that it has begun in. It does not
// block; the edit's bytes are the caller's.
func (st *seat) startPatch(epoch optional, d edit, a answerer) {
	e := st.sock.eng
	deadline := e.requestDeadline()
	if len(st.unsettled) > 0 { // which comes first, and blocks
		d := d.clone()
		e.start(func() {
			st.runHeartbeat(deadline, epoch, d, a)
			st.finish(e.start)
		})
		return
	}
	var state []byte
	m, ack, err := st.weigh(epoch, d)
	if m != nil {
		state, err = m.merge(d)
	}
	if state != nil && !e.workers.TryHold() {
		state, err = nil, store.ErrClosed
	}
	if state == nil {
		st.answerPatch(a, ack, err)
		st.finish(e.start)
		return
	}
	next := m.changed(state)
	p := &patching{st, m, a, ack, deadline, store.Put{Intent: store.IntentUpdate, Member: next, Fence: next.Epoch}}
	ctx := e.near(deadline)
	e.complete(ctx, &p.put, m.room)
	e.startPut(ctx, &p.put, p)
}

// PutDone implements store.PutWaiter.
func (p *patching) PutDone(res store.PutResult, err error) {
	st, e := p.st, p.st.sock.eng
	err = expired(res.Outcome, err)
	if err != nil || res.Outcome != store.Applied && res.Outcome != store.Repeated {
		e.workers.Go(func() { p.goOn(res, err) })
		return
	}
	defer e.workers.Release()
	p.m.wrote(res.Outcome, &p.put.Member)
	e.answerHeartbeat(p.a, p.ack.of(p.m, res.Member.Seq))
	st.finish(e.start)
}

// goOn is what becomes of a patch that was not simply written. It blocks.
func (p *patching) goOn(res store.PutResult, err error) {
	st, m, e := p.st, p.m, p.st.sock.eng
	defer e.workers.Release()
	ctx := e.near(p.deadline)
	found, seq, err := e.updated(&st.lane, m, &p.put, res, err)
	if err == nil {
		var restored bool
		if restored, err = st.explain(ctx, m, found); restored && err == nil {
			seq, err = st.write(ctx, m, p.put.Member.State)
		}
	}
	st.answerPatch(p.a, p.ack.of(m, seq), err)
	st.finish(e.start)
}
