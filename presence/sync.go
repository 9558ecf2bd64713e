package presence

import "time"

// sync handles presence:sync. It does not block.
func (s *socket) sync(payload []byte, a answerer) {
	e := s.eng
	p, err := parseSync(payload, e.limits)
	if err == nil {
		err = s.routeSync(&p, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "sync")))
	}
}

// routeSync answers from the replica, behind the requests that came before.
func (s *socket) routeSync(p *syncPayload, a answerer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatOf(p.roomID)
	if st == nil || !st.wanted {
		return notJoined(p.roomID)
	}
	seq := p.seq
	st.post(a, 0, func(time.Time) { st.runSync(seq, a) })
	return nil
}

func (st *seat) runSync(seq optional, a answerer) {
	m := st.member.Load()
	if m == nil {
		a.answer(appendRefusal(nil, notJoined(st.roomID)))
		return
	}
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.eng.texts.get(smallText)
	t.b = r.appendSyncAck(t.b, seq)
	a.answer(t.b)
	r.eng.texts.put(t)
}
