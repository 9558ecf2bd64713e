package storetest

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

// newer is what a node of a later version wrote of a member, in the form of the store on
// Redis; to other stores it is any text.
const newer = "2\tfield\t\t%1 {and} more"

// versionTests are about a node of this version beside one of the next.
var versionTests = []test{
	{"what a newer one wrote of a member is seen", func(s *suite) {
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		p.Member.Newer = newer
		res := s.put(p)
		want := p.Member
		want.Seq, want.JoinedMs = res.Seq, res.Member.JoinedMs
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		same(s, s.event(rec).Member, want)
	}},
	{"a write of an older one keeps it", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.Newer, p.Member.Token, p.Member.GraceMs = newer, store.Digest{1, 2}, 5000
		m := s.put(p).Member
		rec := s.subscribe(room)
		write := func(name string, p store.Put, heard bool) {
			s.Helper()
			p.Member.Newer = "" // as of one that did not see it
			res := s.put(p)
			if res.Outcome != store.Applied || res.Member.Newer != newer || res.Member.Life != m.Life {
				s.Errorf("%s: %+v", name, res)
			}
			same(s, s.load(room).Members, []store.Member{res.Member})
			if heard {
				same(s, s.event(rec).Member, res.Member)
			}
			m = res.Member
		}
		write("patch", next(m, `{"patched":1}`), true)
		quiet := next(m, "")
		quiet.KeepState, quiet.Quiet, quiet.Member.UntilMs = true, true, farAway
		write("grace", quiet, false)
		write("resume", resumeOf(m), true)
		taken := resumeOf(m)
		taken.Member.UntilMs, taken.Member.Lost = farAway, store.ReasonNodeLost
		write("takeover", taken, true)
		restored := store.Put{Room: room, Intent: store.IntentRestore, Member: m, Fence: m.Epoch}
		restored.Member.Owner, restored.Member.Epoch = "node3", m.Epoch+1
		restored.Member.Write++
		write("restore", restored, true)
		again := next(m, `{"again":1}`)
		again.Intent = store.IntentJoin
		again.Member.Epoch++
		write("join again", again, true)
	}},
	{"a patch that hands it on, and a restore of a lost member, keep it", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.Newer = newer
		m := s.put(p).Member
		m = s.put(next(m, `{"patched":1}`)).Member
		s.b.Wipe()
		p = store.Put{Room: room, Intent: store.IntentRestore, Member: m, Fence: m.Epoch}
		p.Member.Epoch++
		if res := s.put(p); res.Member.Newer != newer {
			s.Errorf("%+v", res)
		}
		if got := s.load(room).Members[0]; got.Newer != newer || string(got.State) != `{"patched":1}` {
			s.Errorf("%+v", got)
		}
	}},
	{"a newer one replaces it", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.Newer = newer
		q := next(s.put(p).Member, `{}`)
		q.Member.Newer = "2\tother"
		if got := s.put(q).Member.Newer; got != "2\tother" {
			s.Errorf("%q", got)
		}
	}},
	{"an older one removes the member", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.Newer = newer
		m := s.put(p).Member
		rec := s.subscribe(room)
		s.outcome(s.remove(leaveOf(m)), store.Applied)
		if e := s.event(rec); e.Intent != store.IntentLeave || e.Member.Life != m.Life || e.Member.Newer != "" {
			s.Errorf("%+v", e)
		}
		s.noKeys()
	}},
}
