package storetest

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

var leaveTests = []test{
	{"takes the member out", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		b := s.put(joinOf("c2", "u1"))
		s.outcome(s.remove(leaveOf(a.Member)), store.Applied)
		same(s, s.load(room).Members, []store.Member{b.Member})
		s.event(rec)
		s.event(rec)
		e := s.event(rec)
		if e.AtMs < b.Member.JoinedMs {
			s.Errorf("at %d, after %d", e.AtMs, b.Member.JoinedMs)
		}
		same(s, e, store.Event{
			Room: room, Position: store.Position{Seq: b.Seq + 1, Born: b.Born}, Prev: b.Seq, Intent: store.IntentLeave,
			AtMs: e.AtMs, UserConns: 1, Reason: store.ReasonLeave,
			Member: store.Member{
				ConnID: "c1", UserID: "u1", Owner: "node1", Epoch: 1, Life: a.Member.Life, JoinedMs: a.Member.JoinedMs,
			},
		})
	}},
	{"of the last one leaves nothing", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		s.remove(leaveOf(a.Member))
		s.noKeys()
		s.event(rec)
		e := s.event(rec)
		if e.Prev != a.Seq || e.Seq != a.Seq+1 || e.UserConns != 0 {
			s.Errorf("%+v", e)
		}
		b := s.put(joinOf("c1", "u1"))
		if b.Seq <= e.Seq || b.Born == a.Born || s.event(rec).Reset {
			s.Errorf("%+v after %+v", b, e)
		}
	}},
	{"that runs twice is missing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		b := s.put(joinOf("c2", "u2"))
		s.remove(leaveOf(a.Member))
		s.unchanged(room, func() { s.outcome(s.remove(leaveOf(a.Member)), store.Missing) })
		s.remove(leaveOf(b.Member))
		s.outcome(s.remove(leaveOf(b.Member)), store.Missing)
	}},
	{"of another owner changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		r := leaveOf(a.Member)
		r.Owner = "node2"
		s.unchanged(room, func() { s.outcome(s.remove(r), store.Fenced) })
		r.Owner = "node1"
		s.outcome(s.remove(r), store.Applied)
	}},
	{"of a life, in whatever epoch", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{}`)
		p.Member.Epoch = 5
		s.put(p)
		r := store.Remove{Room: room, ConnID: "c1", Life: "another", Reason: store.ReasonLeave}
		s.unchanged(room, func() { s.outcome(s.remove(r), store.Fenced) })
		r.Life = a.Member.Life
		s.outcome(s.remove(r), store.Applied)
		s.noKeys()
	}},
	{"of another life changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		r := leaveOf(a.Member)
		r.Life = "another"
		s.unchanged(room, func() { s.outcome(s.remove(r), store.Fenced) })
		r.Life = a.Member.Life
		s.outcome(s.remove(r), store.Applied)
	}},
	{"says when the member joined, also after other writes", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{}`)
		p.Member.JoinedMs = 12345
		b := s.put(p)
		s.remove(leaveOf(b.Member))
		s.event(rec)
		s.event(rec)
		if got := s.event(rec).Member.JoinedMs; got != 12345 {
			s.Errorf("joined %d", got)
		}
	}},
	{"of another epoch changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			r := leaveOf(a.Member)
			r.Epoch = 2
			s.outcome(s.remove(r), store.Fenced)
		})
	}},
	{"after its expiry does nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			r := leaveOf(a.Member)
			r.ExpiresMs = a.Member.JoinedMs - 1
			s.outcome(s.remove(r), store.Expired)
		})
	}},
	{"carries its reason", func(s *suite) {
		rec := s.subscribe(room)
		for _, reason := range []store.Reason{
			store.ReasonLeave, store.ReasonDisconnect, store.ReasonTimeout,
			store.ReasonNodeLost, store.ReasonShutdown, store.ReasonKicked,
		} {
			r := leaveOf(s.put(joinOf("c1", "u1")).Member)
			r.Reason = reason
			s.remove(r)
			s.event(rec)
			if got := s.event(rec).Reason; got != reason {
				s.Errorf("reason %q, want %q", got, reason)
			}
		}
	}},
	{"and join in turn keep the order", func(s *suite) {
		rec := s.subscribe(room)
		var last int64
		for range 20 {
			a := s.put(joinOf("c1", "u1"))
			s.remove(leaveOf(a.Member))
			for range 2 {
				e := s.event(rec)
				if e.Seq <= last {
					s.Fatalf("seq %d after %d", e.Seq, last)
				}
				last = e.Seq
			}
		}
		s.noKeys()
	}},
}
