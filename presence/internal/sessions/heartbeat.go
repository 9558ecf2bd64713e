package sessions

import (
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *Socket) Heartbeat(payload []byte, a rooms.Acker) {
	ss := s.all
	p, err := wire.ParseHeartbeat(payload, ss.Limits)
	var st *session
	if err == nil {
		st, err = s.routeHeartbeat(&p, a)
	}
	if st != nil {
		st.startPatch(p.Epoch, p.Edit, a)
	}
	if err != nil {
		ss.Refuse(a, err, "heartbeat")
	}
}

// routeHeartbeat answers at once what needs no store, and queues the rest
// behind the requests that came before. Where there are none, it takes the executor
// of the room session that it returns for the patch.
func (s *Socket) routeHeartbeat(p *wire.Heartbeat, a rooms.Acker) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.session(p.RoomID)
	if p.RoomID == "" {
		wanted, last := s.wantedSessions()
		if wanted > 1 && !p.Edit.None() {
			return nil, wire.Invalid("roomId is missing: this connection is in %d rooms, and a patch is for one.", wanted)
		}
		if wanted > 1 {
			s.ackForAllRooms(last, a)
			return nil, nil
		}
		st = last
	}
	if st == nil || !st.wantsRoom {
		return nil, wire.NotJoined(p.RoomID)
	}
	epoch := p.Epoch
	switch {
	case p.Edit.None() && st.joinsOpen == 0:
		st.ackHeartbeat(epoch, a)
		return nil, nil
	case p.Edit.None() && st.waitForJoins(func() { st.ackHeartbeat(epoch, a) }):
		return nil, nil
	case !p.Edit.None() && st.executor.TryAcquire():
		return st, nil
	}
	edit := p.Edit.Clone()
	st.post(a, edit.Size(), func(deadline time.Time) { st.runHeartbeat(deadline, epoch, edit, a) })
	return nil, nil
}

// ackForAllRooms answers a heartbeat for all rooms: at once if the socket is in any,
// else behind the joins on their way. s.mu is held.
func (s *Socket) ackForAllRooms(last *session, a rooms.Acker) {
	in := func() bool {
		return slices.ContainsFunc(s.sessions, func(st *session) bool { return st.wantsRoom && st.member.Load() != nil })
	}
	waits := !in() && last.waitForJoins(func() {
		s.mu.Lock()
		ok := in()
		s.mu.Unlock()
		if ok {
			s.all.answerHeartbeat(a, wire.HeartbeatAck{})
		} else {
			a.Answer(wire.AppendRefusal(nil, wire.NotJoined("")))
		}
	})
	if !waits {
		s.all.answerHeartbeat(a, wire.HeartbeatAck{})
	}
}

// ackHeartbeat answers a heartbeat without a patch.
func (st *session) ackHeartbeat(epoch wire.Optional, a rooms.Acker) {
	m := st.member.Load()
	if m == nil {
		a.Answer(wire.AppendRefusal(nil, wire.NotJoined(st.roomID())))
		return
	}
	st.sock.all.answerHeartbeat(a, currentAck(m, epoch))
}

// currentAck is the answer to a heartbeat that changes nothing.
func currentAck(m *owned.Member, epoch wire.Optional) wire.HeartbeatAck {
	return wire.HeartbeatAck{Epoch: m.Epoch.Load(), Stale: epoch.Given && epoch.Value < m.ClientEpoch.Load()}
}

// runHeartbeat is the executor's part of a heartbeat with a patch. If the socket has gone, the
// patch is dropped, except for a member with a grace: the page that resumes it must find
// what it had sent.
func (st *session) runHeartbeat(deadline time.Time, epoch wire.Optional, d wire.Edit, a rooms.Acker) {
	if m := st.member.Load(); st.sock.gone() && (m == nil || m.GraceMs == 0) {
		return
	}
	ack, err := st.tryPatch(deadline, epoch, d)
	st.answerPatch(a, ack, err)
}

func (st *session) answerPatch(a rooms.Acker, ack wire.HeartbeatAck, err error) {
	if err != nil {
		st.sock.all.Refuse(a, err, "heartbeat")
		return
	}
	st.sock.all.answerHeartbeat(a, ack)
}

// patchSlack is by how much the text of a patch, or of keys to remove, may be longer
// than a state: it may have spaces, and say a key twice.
const patchSlack = 4

func (st *session) tryPatch(deadline time.Time, epoch wire.Optional, d wire.Edit) (wire.HeartbeatAck, error) {
	ss := st.sock.all
	m, ack, err := st.checkPatch(epoch, d)
	if m == nil {
		return ack, err
	}
	ctx := ss.Deadlines.Shared(deadline)
	if err := st.executor.ResolveInDoubt(ctx); err != nil {
		return ack, err
	}
	state, err := m.Merge(d)
	if state == nil {
		return ack, err
	}
	seq, err := m.WriteState(ctx, &st.executor, state)
	return storedAck(m, ack, seq), err
}

// checkPatch looks at what a heartbeat with a patch asks for. Without a member, the
// answer or the error is all that there is to it. An operation of the executor.
func (st *session) checkPatch(epoch wire.Optional, d wire.Edit) (*owned.Member, wire.HeartbeatAck, error) {
	m := st.member.Load()
	if m == nil {
		return nil, wire.HeartbeatAck{}, wire.NotJoined(st.roomID())
	}
	ack, most := currentAck(m, epoch), st.sock.all.Limits.StateBytes
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

// storedAck is the answer to a patch that was stored, given that to one that changes nothing.
func storedAck(m *owned.Member, ack wire.HeartbeatAck, seq int64) wire.HeartbeatAck {
	ack.Epoch, ack.Changed, ack.Seq = m.Epoch.Load(), true, seq
	return ack
}

// pendingPatch is a patch at the store, for whose answer no goroutine waits: most
// patches are, since clients seldom have more than one under way. It holds a place
// among the workers.
type pendingPatch struct {
	st       *session
	m        *owned.Member
	a        rooms.Acker
	ack      wire.HeartbeatAck
	deadline time.Time
	put      store.Put
}

// startPatch carries a patch out in an executor that it has begun in. It does not
// block; the edit's bytes are the caller's.
func (st *session) startPatch(epoch wire.Optional, d wire.Edit, a rooms.Acker) {
	ss := st.sock.all
	deadline := ss.RequestDeadline()
	if st.executor.HasInDoubt() { // which comes first, and blocks
		d := d.Clone()
		ss.Go(func() {
			st.runHeartbeat(deadline, epoch, d, a)
			st.executor.Release(ss.Go)
		})
		return
	}
	var state []byte
	m, ack, err := st.checkPatch(epoch, d)
	if m != nil {
		state, err = m.Merge(d)
	}
	if state != nil && !ss.Workers.TryHold() {
		state, err = nil, store.ErrClosed
	}
	if state == nil {
		st.answerPatch(a, ack, err)
		st.executor.Release(ss.Go)
		return
	}
	next := m.WithState(state)
	p := &pendingPatch{st, m, a, ack, deadline, store.Put{Intent: store.IntentUpdate, Member: next, Fence: next.Epoch}}
	ctx := ss.Deadlines.Shared(deadline)
	m.Room.FillPut(ctx, &p.put)
	ss.Store.StartPut(ctx, &p.put, p)
}

// PutDone implements store.PutWaiter.
func (p *pendingPatch) PutDone(res store.PutResult, err error) {
	st, ss := p.st, p.st.sock.all
	err = core.Expired(res.Outcome, err)
	if err != nil || !res.Outcome.TookEffect() {
		ss.Workers.Go(func() { p.finishSlow(res, err) })
		return
	}
	defer ss.Workers.Release()
	p.m.Applied(res.Outcome, &p.put.Member)
	ss.answerHeartbeat(p.a, storedAck(p.m, p.ack, res.Member.Seq))
	st.executor.Release(ss.Go)
}

// finishSlow is what becomes of a patch that was not simply written. It blocks.
func (p *pendingPatch) finishSlow(res store.PutResult, err error) {
	st, m, ss := p.st, p.m, p.st.sock.all
	defer ss.Workers.Release()
	ctx := ss.Deadlines.Shared(p.deadline)
	_, seq, err := m.Updated(&st.executor, &p.put, res, err)
	if err == nil {
		if err = m.ResolveMismatch(ctx, &st.executor); err == nil {
			seq, err = m.WriteState(ctx, &st.executor, p.put.Member.State)
		}
	}
	st.answerPatch(p.a, storedAck(m, p.ack, seq), err)
	st.executor.Release(ss.Go)
}
