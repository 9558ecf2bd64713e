package sessions

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// syncBatch is the syncs of one socket that wait together in an executor.
type syncBatch []rooms.SyncAsk

// Sync handles presence:sync. It does not block. One that wants no answer does
// nothing.
func (s *Socket) Sync(payload []byte, a rooms.Acker) {
	if !a.Wanted() {
		return
	}
	ss := s.all
	p, err := wire.ParseSync(payload, ss.Limits)
	if err == nil {
		err = s.routeSync(&p, a)
	}
	if err != nil {
		ss.Refuse(a, err, "sync")
	}
}

// routeSync answers from the replica, behind earlier requests. Syncs with nothing else
// queued behind them are answered together.
func (s *Socket) routeSync(p *wire.Sync, a rooms.Acker) error {
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
	ask := rooms.SyncAsk{Seq: p.Seq, A: a}
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
func (st *session) runSyncs(batch *syncBatch) {
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
		asks, err = m.AnswerSyncs(st, asks)
	}
	if err == nil {
		return
	}
	st.logLateAnswer(err)
	refusal := wire.AppendRefusal(nil, s.all.toClientError(err, "sync"))
	for _, ask := range asks {
		ask.A.Answer(refusal)
	}
}

// Members handles presence:members. It does not block.
func (s *Socket) Members(payload []byte, a rooms.Acker) {
	p, err := wire.ParsePage(payload, s.all.Limits)
	if err == nil {
		err = s.routePage(&p, a)
	}
	if err != nil {
		s.all.Refuse(a, err, "members")
	}
}

// routePage answers from the replica, behind earlier requests.
func (s *Socket) routePage(p *wire.PageRequest, a rooms.Acker) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.session(p.RoomID)
	if st == nil || !st.wantsRoom {
		return wire.NotJoined(p.RoomID)
	}
	st.post(a, 0, func(time.Time) { st.runPage(p, a) })
	return nil
}

// runPage is the executor's half of it.
func (st *session) runPage(p *wire.PageRequest, a rooms.Acker) {
	if st.sock.gone() {
		return
	}
	err := error(wire.NotJoined(st.roomID()))
	if m := st.member.Load(); m != nil {
		err = m.Room.AnswerPage(st, p, a)
	}
	if err != nil {
		st.logLateAnswer(err)
		st.sock.all.Refuse(a, err, "members")
	}
}
