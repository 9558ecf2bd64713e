package storetest

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

var leaveTests = []test{
	{"takes the member out", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		b := s.put(joinOf("c2", "u1"))
		r := leaveOf(a.Member)
		r.From = b.Position
		res := s.remove(r)
		same(s, res, store.RemoveResult{
			Outcome: store.Applied, Position: store.Position{Seq: b.Seq + 1, Born: b.Born},
			NowMs: res.NowMs, UserConns: 1,
		})
		same(s, s.load(room).Members, []store.Member{b.Member})
		s.event(rec)
		s.event(rec)
		same(s, s.event(rec), store.Event{
			Room: room, Position: res.Position, Prev: b.Seq, Intent: store.IntentLeave,
			AtMs: res.NowMs, UserConns: 1, Reason: store.ReasonLeave,
			Member: store.Member{
				ConnID: "c1", UserID: "u1", Owner: "node1", Epoch: 1, Life: a.Member.Life, JoinedMs: a.Member.JoinedMs,
			},
		})
	}},
	{"of the last one leaves nothing", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		res := s.remove(leaveOf(a.Member))
		if res.UserConns != 0 || res.Seq != a.Seq+1 {
			s.Errorf("%+v", res)
		}
		s.noKeys()
		s.event(rec)
		if e := s.event(rec); e.Prev != a.Seq || e.Seq != res.Seq {
			s.Errorf("%+v", e)
		}
		b := s.put(joinOf("c1", "u1"))
		if b.Seq <= res.Seq || b.Born == a.Born || b.Reset {
			s.Errorf("%+v after %+v", b, res)
		}
	}},
	{"that runs twice is missing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		b := s.put(joinOf("c2", "u2"))
		at := s.remove(leaveOf(a.Member)).Position
		s.unchanged(room, func() {
			res := s.remove(leaveOf(a.Member))
			s.outcome(res.Outcome, store.Missing)
			same(s, res.Position, at)
		})
		s.remove(leaveOf(b.Member))
		s.outcome(s.remove(leaveOf(b.Member)).Outcome, store.Missing)
	}},
	{"of another owner changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		r := leaveOf(a.Member)
		r.Owner = "node2"
		s.unchanged(room, func() { s.outcome(s.remove(r).Outcome, store.Fenced) })
		r.Owner = "node1"
		s.outcome(s.remove(r).Outcome, store.Applied)
	}},
	{"of another life changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		r := leaveOf(a.Member)
		r.Life = "another"
		s.unchanged(room, func() { s.outcome(s.remove(r).Outcome, store.Fenced) })
		r.Life = a.Member.Life
		s.outcome(s.remove(r).Outcome, store.Applied)
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
			res := s.remove(r)
			s.outcome(res.Outcome, store.Fenced)
			same(s, res.Position, a.Position)
		})
	}},
	{"after its expiry does nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			r := leaveOf(a.Member)
			r.ExpiresMs = a.NowMs - 1
			s.outcome(s.remove(r).Outcome, store.Expired)
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
