package engine

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// syncBatch is the syncs of one socket that wait together in an executor.
type syncBatch []syncAsk

// syncAsk is a sync of a client that has applied everything up to seq.
type syncAsk struct {
	seq wire.Optional
	a   Acker
}

// Sync handles presence:sync. It does not block. One that wants no answer does
// nothing.
func (s *Socket) Sync(payload []byte, a Acker) {
	if !a.Wanted() {
		return
	}
	e := s.eng
	p, err := wire.ParseSync(payload, e.Limits)
	if err == nil {
		err = s.routeSync(&p, a)
	}
	if err != nil {
		e.Refuse(a, err, "sync")
	}
}

// routeSync answers from the replica, behind earlier requests. Syncs with nothing else
// queued behind them are answered together.
func (s *Socket) routeSync(p *wire.Sync, a Acker) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.session(p.RoomID)
	if st == nil || !st.wantsRoom {
		return wire.NotJoined(p.RoomID)
	}
	if !s.canResync {
		s.canResync = true
		s.conn.SetHeals()
	}
	ask := syncAsk{p.Seq, a}
	if st.syncs != nil {
		if len(*st.syncs) >= maxQueuedTasks {
			return wire.ErrTooManyWaiting
		}
		*st.syncs = append(*st.syncs, ask)
		return nil
	}
	batch := &syncBatch{ask}
	if st.post(a, 0, func(time.Time) { st.runSyncs(batch) }) {
		st.syncs = batch
	}
	return nil
}

// runSyncs is the executor's half of the syncs of a batch.
func (st *roomSession) runSyncs(batch *syncBatch) {
	s := st.sock
	s.mu.Lock()
	if st.syncs == batch { // no more of them
		st.syncs = nil
	}
	s.mu.Unlock()
	if s.gone() {
		return
	}
	asks := *batch
	var err error
	if m := st.member.Load(); m == nil {
		err = wire.NotJoined(st.roomID())
	} else {
		asks, err = m.room.answerSyncs(st, asks)
	}
	if err == nil {
		return
	}
	st.logLateAnswer(err)
	refusal := wire.AppendRefusal(nil, s.eng.toClientError(err, "sync"))
	for _, ask := range asks {
		ask.a.Answer(refusal)
	}
}

// answerSyncs answers the syncs of a socket, all with one snapshot if their turn
// does not come one by one. It returns those that it could not answer, and why.
func (r *room) answerSyncs(to recipient, asks []syncAsk) ([]syncAsk, error) {
	t := r.eng.texts.Get(smallText)
	defer r.eng.texts.Put(t)
	r.mu.Lock()
	asks = r.answerUnchanged(t, asks)
	r.mu.Unlock()
	if len(asks) == 0 {
		return nil, nil
	}
	err := r.answer(&snapshotWaiter{to: to, share: true, reply: func(snap *snapshot) error {
		if snap == nil {
			return nil
		}
		t.B = wire.AppendSyncAck(t.B[:0], snap.seq)
		for len(asks) > 0 {
			if !asks[0].a.AnswerShared(t.B, snap.text, closeObject) {
				return errWait
			}
			asks = asks[1:]
		}
		return nil
	}})
	return asks, err
}

// answerUnchanged answers those that have missed nothing, and returns the others.
// The lock is held.
func (r *room) answerUnchanged(t *serial.Buffer, asks []syncAsk) (changed []syncAsk) {
	for _, ask := range asks {
		if !r.isCurrent(ask.seq) {
			changed = append(changed, ask)
			continue
		}
		t.B = wire.AppendUnchanged(t.B[:0], r.rep.Seq())
		ask.a.Answer(t.B)
	}
	return changed
}
