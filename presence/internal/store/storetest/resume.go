package storetest

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

// graced joins a resumable member, and lets its grace run until the time given.
func graced(s *suite, until int64) store.PutResult {
	s.Helper()
	p := joinOf("c1", "u1")
	p.Member.Token, p.Member.GraceMs = store.Digest{1, 2}, 5000
	a := s.put(p)
	if until == 0 {
		return a
	}
	q := next(a.Member, "")
	q.KeepState, q.Quiet, q.Member.UntilMs, q.Member.Lost = true, true, until, store.ReasonTimeout
	return s.put(q)
}

// resumeOf moves the member to node2.
func resumeOf(m store.Member) store.Put {
	return store.Put{Room: room, Intent: store.IntentResume, Fence: m.Epoch, KeepState: true, Member: store.Member{
		ConnID: m.ConnID, UserID: m.UserID, Owner: "node2", Epoch: m.Epoch + 1, Write: 1, Token: m.Token, GraceMs: m.GraceMs,
	}}
}

const farAway = 1 << 52 // in ms: a grace that does not end

var resumeTests = []test{
	{"moves the member", func(s *suite) {
		a := graced(s, farAway)
		rec := s.subscribe(room)
		res := s.put(resumeOf(a.Member))
		s.outcome(res.Outcome, store.Applied)
		want := a.Member
		want.Owner, want.Epoch, want.UntilMs, want.Lost = "node2", 2, 0, ""
		want.Write, want.Seq = a.Member.Write+1, a.Seq+1
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		e := s.event(rec)
		same(s, e.Member, want)
		if e.Intent != store.IntentResume || e.UserConns != 1 {
			s.Errorf("%+v", e)
		}
	}},
	{"takes over from a socket that looks open", func(s *suite) {
		a := graced(s, 0)
		s.outcome(s.put(resumeOf(a.Member)).Outcome, store.Applied)
	}},
	{"keeps a higher write number of the request", func(s *suite) {
		a := graced(s, 0)
		p := resumeOf(a.Member)
		p.Member.Write = 77
		p.KeepState, p.Member.State = false, []byte(`{"new":1}`)
		res := s.put(p)
		if res.Member.Write != 77 || string(res.Member.State) != `{"new":1}` {
			s.Errorf("%+v", res.Member)
		}
	}},
	{"that runs twice is told the first result", func(s *suite) {
		a := graced(s, farAway)
		first := s.put(resumeOf(a.Member))
		s.unchanged(room, func() {
			res := s.put(resumeOf(a.Member))
			s.outcome(res.Outcome, store.Repeated)
			same(s, res.Member, first.Member)
		})
	}},
	{"is refused", func(s *suite) {
		for name, change := range map[string]func(*store.Put){
			"without the token":  func(p *store.Put) { p.Member.Token = store.Digest{} },
			"with a wrong token": func(p *store.Put) { p.Member.Token[15]++ },
			"for another user":   func(p *store.Put) { p.Member.UserID = "u2" },
			"of an older epoch":  func(p *store.Put) { p.Fence, p.Member.Epoch = 9, 10 },
			"with no fence":      func(p *store.Put) { p.Fence = 0 },
			"by its owner, without the token": func(p *store.Put) {
				p.Member.Token[0]++
				p.KeepState, p.Member.State = false, []byte(`{"stolen":1}`)
				p.Member.Owner, p.Member.Write = "node1", 3
			},
			"by guessing an epoch": func(p *store.Put) { p.Member.Token[0]++; p.Member.Epoch, p.Member.Owner = 1, "node1" },
		} {
			a := graced(s, farAway)
			s.unchanged(room, func() {
				p := resumeOf(a.Member)
				change(&p)
				res := s.put(p)
				if res.Outcome != store.Fenced {
					s.Errorf("%s: outcome %d", name, res.Outcome)
				}
				same(s, res.Member, a.Member)
			})
			s.remove(leaveOf(a.Member))
		}
	}},
	{"is refused to a member without a token", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			s.outcome(s.put(resumeOf(a.Member)).Outcome, store.Fenced)
		})
	}},
	{"is refused after the grace", func(s *suite) {
		a := graced(s, 1)
		s.unchanged(room, func() {
			s.outcome(s.put(resumeOf(a.Member)).Outcome, store.Fenced)
		})
	}},
	{"of nobody is missing", func(s *suite) {
		m := joinOf("c1", "u1").Member
		m.Token = store.Digest{1}
		p := resumeOf(m)
		s.outcome(s.put(p).Outcome, store.Missing)
		p.Fence = 0
		s.outcome(s.put(p).Outcome, store.Missing)
		s.noKeys()
	}},
	{"fences the owner before", func(s *suite) {
		a := graced(s, 0)
		s.put(resumeOf(a.Member))
		s.unchanged(room, func() {
			s.outcome(s.put(next(a.Member, `{}`)).Outcome, store.Fenced)
			s.outcome(s.remove(leaveOf(a.Member)), store.Fenced)
		})
	}},
	{"restore brings back a lost member", func(s *suite) {
		a := graced(s, 0)
		b := s.put(joinOf("c2", "u2"))
		s.b.Wipe()
		rec := s.subscribe(room)
		p := store.Put{Room: room, Intent: store.IntentRestore, Member: a.Member, Fence: a.Member.Epoch, From: b.Position}
		p.Member.Epoch++
		p.Member.Write++
		res := s.put(p)
		s.outcome(res.Outcome, store.Applied)
		want := p.Member
		want.Seq = res.Seq
		same(s, res.Member, want)
		e := s.event(rec)
		if !e.Reset || e.Intent != store.IntentRestore || e.Seq <= b.Seq || e.UserConns != 1 {
			s.Errorf("%+v", e)
		}
	}},
	{"restore replaces what matches, else is fenced", func(s *suite) {
		a := graced(s, 0)
		p := store.Put{Room: room, Intent: store.IntentRestore, Member: a.Member, Fence: a.Member.Epoch}
		p.Member.Epoch, p.Member.Write = 3, 9
		b := s.put(p)
		s.outcome(b.Outcome, store.Applied)
		s.outcome(s.put(p).Outcome, store.Repeated)
		s.unchanged(room, func() {
			p.Member.Epoch = 4
			res := s.put(p)
			s.outcome(res.Outcome, store.Fenced)
			same(s, res.Member, b.Member)
		})
	}},
	{"takes the grace of the request, and keeps token and time of joining", func(s *suite) {
		a := graced(s, farAway)
		p := resumeOf(a.Member)
		p.Member.GraceMs, p.Member.JoinedMs = 60_000, 5
		want := a.Member
		want.Owner, want.Epoch, want.UntilMs, want.Lost = "node2", 2, 0, ""
		want.GraceMs, want.Write, want.Seq = 60_000, a.Member.Write+1, a.Seq+1
		same(s, s.put(p).Member, want)
		p = resumeOf(want)
		p.Member.Owner, p.Member.GraceMs = "node3", 0
		if m := s.put(p).Member; m.GraceMs != 0 || m.Token != a.Member.Token || m.JoinedMs != a.Member.JoinedMs {
			s.Errorf("%+v", m)
		}
	}},
	{"keeps the time of joining", func(s *suite) {
		a := graced(s, 0)
		for s.now() < a.Member.JoinedMs+2 && s.ctx.Err() == nil {
		}
		if m := s.put(resumeOf(a.Member)).Member; m.JoinedMs != a.Member.JoinedMs {
			s.Errorf("joined %d, then %d", a.Member.JoinedMs, m.JoinedMs)
		}
		if m := s.load(room).Members[0]; m.JoinedMs != a.Member.JoinedMs {
			s.Errorf("joined %d, then %d", a.Member.JoinedMs, m.JoinedMs)
		}
	}},
	{"restore keeps the state that stands, else brings its own", func(s *suite) {
		a := graced(s, 0)
		restore := func(epoch int64) store.Put {
			p := store.Put{Room: room, Intent: store.IntentRestore, Member: a.Member, Fence: epoch - 1, KeepState: true}
			p.Member.Epoch, p.Member.Write, p.Member.State = epoch, epoch+10, []byte(`{"restored":1}`)
			return p
		}
		b := s.put(restore(2))
		s.outcome(b.Outcome, store.Applied)
		if string(b.Member.State) != `{"a":1}` {
			s.Errorf("state %s", b.Member.State)
		}
		same(s, s.load(room).Members, []store.Member{b.Member})
		s.remove(leaveOf(b.Member))
		c := s.put(restore(3))
		s.outcome(c.Outcome, store.Applied)
		if string(c.Member.State) != `{"restored":1}` {
			s.Errorf("state %s", c.Member.State)
		}
		same(s, s.load(room).Members, []store.Member{c.Member})
	}},
}
