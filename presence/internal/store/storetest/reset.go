package storetest

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

// began checks that a write began the record anew, above both positions.
func began(s *suite, rec *recorder, res store.PutResult, from, stored store.Position) {
	s.Helper()
	s.outcome(res.Outcome, store.Applied)
	if res.Seq <= from.Seq || res.Seq <= stored.Seq || res.Born == from.Born || res.Born == stored.Born {
		s.Errorf("result %+v, caller stood at %+v, record at %+v", res, from, stored)
	}
	e := s.event(rec)
	if res.Seq < e.AtMs*1000 {
		s.Errorf("seq %d is below the time", res.Seq)
	}
	if !e.Reset || e.Position != res.Position || e.Prev != stored.Seq {
		s.Errorf("event %+v", e)
	}
	if res.Member.Seq != res.Seq {
		s.Errorf("member at %d, room at %d", res.Member.Seq, res.Seq)
	}
	same(s, s.load(room).Position, res.Position)
}

var resetTests = []test{
	{"record missing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.b.Wipe()
		rec := s.subscribe(room)
		p := joinOf("c2", "u2")
		p.From = a.Position
		began(s, rec, s.put(p), p.From, store.Position{})
	}},
	{"record far behind the caller", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		rec := s.subscribe(room)
		p := next(a.Member, `{}`)
		p.From = store.Position{Seq: a.Seq + 1e9, Born: a.Born}
		res := s.put(p)
		if res.Seq != p.From.Seq+1 {
			s.Errorf("seq %d, want %d", res.Seq, p.From.Seq+1)
		}
		began(s, rec, res, p.From, a.Position)
	}},
	{"record of another birth keeps its members", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		rec := s.subscribe(room)
		p := joinOf("c2", "u1")
		p.From = store.Position{Seq: 5, Born: "other"}
		res := s.put(p)
		began(s, rec, res, p.From, a.Position)
		same(s, s.load(room).Members, []store.Member{a.Member, res.Member})
	}},
	{"record ahead of the clock and of another birth", func(s *suite) {
		p := joinOf("c1", "u1")
		p.From = store.Position{Seq: 1 << 52, Born: "first"}
		a := s.put(p)
		rec := s.subscribe(room)
		q := next(a.Member, `{}`)
		q.From = store.Position{Seq: 5, Born: "second"}
		res := s.put(q)
		if res.Seq != a.Seq+1 {
			s.Errorf("seq %d after %d", res.Seq, a.Seq)
		}
		began(s, rec, res, q.From, a.Position)
	}},
	{"whoever writes, and however the record differs", func(s *suite) {
		for _, differs := range []func(*store.Position){
			func(p *store.Position) { p.Seq, p.Born = p.Seq-1, "other" },
			func(p *store.Position) { p.Born = "other" },
			func(p *store.Position) { p.Seq++ },
		} {
			a := s.put(joinOf("c1", "u1"))
			for _, p := range []store.Put{next(a.Member, `{}`), joinOf("c2", "u2"), joinOf("c3", "u1")} {
				at := s.load(room).Position
				p.From = at
				differs(&p.From)
				rec := s.subscribe(room)
				began(s, rec, s.put(p), p.From, at)
				rec.sub.Close()
			}
			for _, m := range s.load(room).Members {
				s.remove(leaveOf(m))
			}
		}
	}},
	{"a caller that is behind or knows nothing resets nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		b := s.put(next(a.Member, `{}`))
		for _, from := range []store.Position{{}, a.Position, b.Position} {
			p := next(b.Member, `{}`)
			p.From = from
			res := s.put(p)
			if res.Seq != b.Seq+1 || res.Born != a.Born {
				s.Errorf("%+v from %+v", res, from)
			}
			b = res
		}
	}},
	{"nothing changes when fenced, repeated or missing", func(s *suite) {
		j := joinOf("c1", "u1")
		j.From = store.Position{Seq: 1, Born: "x"}
		a := s.put(j)
		s.unchanged(room, func() {
			s.outcome(s.put(j).Outcome, store.Repeated)
			p := next(a.Member, `{}`)
			p.From = j.From
			p.Fence = 7
			s.outcome(s.put(p).Outcome, store.Fenced)
			p.Member.ConnID = "c9"
			s.outcome(s.put(p).Outcome, store.Missing)
			s.outcome(s.remove(store.Remove{Room: room, ConnID: "c9", Epoch: 1}), store.Missing)
			s.outcome(s.remove(store.Remove{Room: room, ConnID: "c1", Epoch: 8}), store.Fenced)
		})
	}},
	{"a quiet write that resets is heard", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		rec := s.subscribe(room)
		p := next(a.Member, `{}`)
		p.Quiet, p.From = true, store.Position{Seq: 1, Born: "x"}
		began(s, rec, s.put(p), p.From, a.Position)
	}},
	{"a quiet join begins a room without an event", func(s *suite) {
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		p.Quiet = true
		res := s.put(p)
		if res.Seq == 0 || res.Born == "" || res.Member.Seq != 0 {
			s.Errorf("%+v", res)
		}
		s.quiet(rec, room)
		same(s, s.load(room).Members, []store.Member{res.Member})
	}},
	{"a write goes on above its floor, which expects nothing", func(s *suite) {
		floor := store.Position{Seq: s.now()*1000 + 1e12}
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		p.From = floor
		a := s.put(p)
		if a.Seq != floor.Seq+1 || a.Born == "" {
			s.Errorf("%+v, floor %d", a, floor.Seq)
		}
		if e := s.event(rec); e.Reset || e.Prev != 0 || e.Position != a.Position {
			s.Errorf("%+v", e)
		}
		q := next(a.Member, `{}`)
		q.From = store.Position{Seq: floor.Seq + 1000}
		b := s.put(q)
		if b.Seq != q.From.Seq+1 || b.Born != a.Born {
			s.Errorf("%+v after %+v", b, a.Position)
		}
		if e := s.event(rec); e.Reset || e.Prev != a.Seq || e.Position != b.Position {
			s.Errorf("%+v after %+v", e, a.Position)
		}
	}},
	{"a floor below the time does not matter", func(s *suite) {
		p := joinOf("c1", "u1")
		p.From = store.Position{Seq: 5}
		if a := s.put(p); a.Seq/1000 != a.Member.JoinedMs {
			s.Errorf("%+v", a)
		}
	}},
}
