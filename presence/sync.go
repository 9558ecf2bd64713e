package presence

import "time"

// syncBatch is the syncs of one socket that wait together in a lane.
type syncBatch []syncAsk

// syncAsk is a sync of a client that stands at seq.
type syncAsk struct {
	seq optional
	a   answerer
}

// sync handles presence:sync. It does not block. One that wants no answer does
// nothing.
func (s *socket) sync(payload []byte, a answerer) {
	if !a.wanted() {
		return
	}
	e := s.eng
	p, err := parseSync(payload, e.limits)
	if err == nil {
		err = s.routeSync(&p, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "sync")))
	}
}

// routeSync answers from the replica, behind the requests that came before, and
// together with those syncs among them that nothing else stands behind.
func (s *socket) routeSync(p *syncPayload, a answerer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatOf(p.roomID)
	if st == nil || !st.wanted {
		return notJoined(p.roomID)
	}
	if !s.heals {
		s.heals = true
		s.peer.setHeals()
	}
	ask := syncAsk{p.seq, a}
	if st.syncs != nil {
		if len(*st.syncs) >= maxQueued {
			return errTooManyWaiting
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

// runSyncs is the lane's half of the syncs of a batch.
func (st *seat) runSyncs(batch *syncBatch) {
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
		err = notJoined(st.roomID)
	} else {
		asks, err = m.room.answerSyncs(s, asks)
	}
	if err == nil {
		return
	}
	refusal := appendRefusal(nil, s.eng.refusal(err, "sync"))
	for _, ask := range asks {
		ask.a.answer(refusal)
	}
}

// answerSyncs answers the syncs of a socket, all with one snapshot if their turn
// does not come one by one. It returns those that it could not answer, and why.
func (r *room) answerSyncs(s *socket, asks []syncAsk) ([]syncAsk, error) {
	t := r.eng.texts.get(smallText)
	defer r.eng.texts.put(t)
	r.mu.Lock()
	asks = r.answerUnchanged(t, asks)
	r.mu.Unlock()
	if len(asks) == 0 {
		return nil, nil
	}
	err := r.answer(&asker{sock: s, share: true, give: func(snap *snapshot) error {
		if snap == nil {
			return nil
		}
		t.b = append(appendSyncAck(t.b[:0], snap.seq), `,"snapshot":`...)
		for len(asks) > 0 {
			if !asks[0].a.answerShared(t.b, snap.text, closeObject) {
				return errLater
			}
			asks = asks[1:]
		}
		return nil
	}})
	return asks, err
}

// answerUnchanged answers those that have missed nothing, and returns the others.
// The lock is held.
func (r *room) answerUnchanged(t *text, asks []syncAsk) (changed []syncAsk) {
	for _, ask := range asks {
		if !r.isCurrent(ask.seq) {
			changed = append(changed, ask)
			continue
		}
		t.b = append(appendSyncAck(t.b[:0], r.at()), `,"unchanged":true}`...)
		ask.a.answer(t.b)
	}
	return changed
}

// appendSyncAck writes the beginning of the answer to a sync.
func appendSyncAck(dst []byte, seq int64) []byte {
	return appendInt(append(dst, `{"ok":true`...), `,"seq":`, seq)
}
