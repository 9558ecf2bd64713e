package storetest

import (
	"strings"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var writeTests = []test{
	{"update replaces the state", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{"b":2}`)
		p.From = a.Position
		res := s.put(p)
		want := p.Member
		want.Seq = a.Seq + 1
		same(s, res, store.PutResult{
			Outcome: store.Applied, Position: store.Position{Seq: a.Seq + 1, Born: a.Born}, Member: want,
		})
		same(s, s.load(room).Members, []store.Member{want})
		s.event(rec)
		e := s.event(rec)
		if e.AtMs < a.Member.JoinedMs {
			s.Errorf("at %d, after %d", e.AtMs, a.Member.JoinedMs)
		}
		same(s, e, store.Event{
			Room: room, Position: res.Position, Prev: a.Seq, Intent: store.IntentUpdate,
			AtMs: e.AtMs, UserConns: 1, Member: want,
		})
	}},
	{"of an older epoch changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{}`)
		p.Member.Epoch = 5
		b := s.put(p)
		s.outcome(b.Outcome, store.Applied)
		s.unchanged(room, func() {
			res := s.put(next(a.Member, `{"late":true}`))
			s.outcome(res.Outcome, store.Fenced)
			same(s, res.Member, b.Member)
		})
	}},
	{"whose fence is not the epoch that stands changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{}`)
		p.Member.Epoch = 5
		b := s.put(p)
		s.unchanged(room, func() {
			q := next(b.Member, `{"late":true}`)
			q.Fence = 1
			s.outcome(s.put(q).Outcome, store.Fenced)
		})
	}},
	{"by who is not the owner changes nothing", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		for _, intent := range []store.Intent{store.IntentJoin, store.IntentUpdate} {
			p := next(a.Member, `{"late":true}`)
			p.Intent, p.Member.Owner = intent, "node2"
			s.unchanged(room, func() { s.outcome(s.put(p).Outcome, store.Fenced) })
			p.Member.Write = 1 // as if it had been written before
			s.unchanged(room, func() { s.outcome(s.put(p).Outcome, store.Fenced) })
			p.Member.Epoch++
			s.unchanged(room, func() { s.outcome(s.put(p).Outcome, store.Fenced) })
		}
	}},
	{"of a member that is not there is missing", func(s *suite) {
		p := next(joinOf("c1", "u1").Member, `{}`)
		res := s.put(p)
		s.outcome(res.Outcome, store.Missing)
		same(s, res.Position, store.Position{})
		s.noKeys()
		at := s.put(joinOf("c2", "u2")).Position
		s.unchanged(room, func() {
			res := s.put(p)
			s.outcome(res.Outcome, store.Missing)
			same(s, res.Position, at)
		})
	}},
	{"that runs twice is told the first result", func(s *suite) {
		j := joinOf("c1", "u1")
		a := s.put(j)
		p := next(a.Member, `{"n":1}`)
		again := func(p store.Put, want store.PutResult) {
			s.unchanged(room, func() {
				res := s.put(p)
				s.outcome(res.Outcome, store.Repeated)
				same(s, res.Member, want.Member)
				same(s, res.Position, want.Position)
			})
		}
		again(j, a)
		b := s.put(p)
		again(p, b)
		again(j, b) // the join again, after the update
		s.put(next(b.Member, `{"n":2}`))
		res := s.put(p) // an older write
		s.outcome(res.Outcome, store.Repeated)
		if string(res.Member.State) != `{"n":2}` {
			s.Errorf("state %s", res.Member.State)
		}
	}},
	{"of the same number by another owner is fenced", func(s *suite) {
		s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			p := joinOf("c1", "u1")
			p.Member.Owner = "node2"
			s.outcome(s.put(p).Outcome, store.Fenced)
		})
	}},
	{"after its expiry does nothing", func(s *suite) {
		p := joinOf("c1", "u1")
		p.ExpiresMs = 1
		same(s, s.put(p), store.PutResult{Outcome: store.Expired})
		s.noKeys()
		p.ExpiresMs = s.now() + 3_600_000
		a := s.put(p)
		s.outcome(a.Outcome, store.Applied)
		s.unchanged(room, func() {
			q := next(a.Member, `{}`)
			q.ExpiresMs = a.Member.JoinedMs - 1
			s.outcome(s.put(q).Outcome, store.Expired)
			r := leaveOf(a.Member)
			r.ExpiresMs = a.Member.JoinedMs - 1
			s.outcome(s.remove(r), store.Expired)
		})
		// The last moment counts: no write is taken for late too early.
		for outcome := store.Expired; outcome != store.Applied && s.ctx.Err() == nil; {
			q := next(a.Member, `{}`)
			q.ExpiresMs = s.now() + 900
			outcome = s.put(q).Outcome
			if now := s.now(); outcome == store.Expired && now <= q.ExpiresMs {
				s.Fatalf("expired before %d, %d too early", now, q.ExpiresMs-now)
			}
		}
	}},
	{"can keep the state", func(s *suite) {
		rec := s.subscribe(room)
		a := s.put(joinOf("c1", "u1"))
		p := next(a.Member, `{"ignored":1}`)
		p.KeepState, p.Member.Away = true, true
		res := s.put(p)
		if got := string(res.Member.State); got != `{"a":1}` || !res.Member.Away {
			s.Errorf("member %+v", res.Member)
		}
		s.event(rec)
		same(s, s.event(rec).Member, res.Member)
		same(s, s.load(room).Members, []store.Member{res.Member})
	}},
	{"of a large state", func(s *suite) {
		large := func(c byte) string { return `{"large":"` + strings.Repeat(string(c), 16<<10) + `\n"}` }
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		p.Member.State = []byte(large('a'))
		res := s.put(p)
		check := func(want string, heard bool) {
			s.Helper()
			if string(res.Member.State) != want {
				s.Errorf("%d bytes of state, want %d", len(res.Member.State), len(want))
			}
			same(s, s.load(room).Members, []store.Member{res.Member})
			if heard {
				same(s, s.event(rec).Member, res.Member)
			}
		}
		check(large('a'), true)
		q := next(res.Member, large('b'))
		q.From = res.Position
		res = s.put(q)
		check(large('b'), true)
		q = next(res.Member, "")
		q.KeepState = true
		res = s.put(q)
		check(large('b'), true)
		q = next(res.Member, large('c'))
		q.Quiet = true
		res = s.put(q)
		check(large('c'), false)
		res = s.put(q)
		s.outcome(res.Outcome, store.Repeated)
		check(large('c'), false)
		q = next(res.Member, "")
		q.Quiet, q.KeepState = true, true
		res = s.put(q)
		check(large('c'), false)
		s.quiet(rec, room)
	}},
	{"that is quiet is not heard", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		rec := s.subscribe(room)
		p := next(a.Member, `{"q":1}`)
		p.Quiet, p.Member.UntilMs, p.Member.Lost = true, a.Member.JoinedMs+1000, store.ReasonDisconnect
		res := s.put(p)
		s.outcome(res.Outcome, store.Applied)
		same(s, res.Position, a.Position)
		want := p.Member
		want.Seq = a.Seq
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		s.quiet(rec, room)
		s.outcome(s.put(p).Outcome, store.Repeated)
		q := next(res.Member, "")
		q.Quiet, q.KeepState = true, true
		res = s.put(q)
		same(s, res.Position, a.Position)
		if string(res.Member.State) != `{"q":1}` {
			s.Errorf("state %s", res.Member.State)
		}
		s.quiet(rec, room)
	}},
	{"of many at once: seq is dense and in order", func(s *suite) {
		const writers, writes = 8, 40
		rec := s.subscribe(room)
		var wg sync.WaitGroup
		seen := make([]map[int64]bool, writers)
		for w := range writers {
			seen[w] = make(map[int64]bool)
			wg.Go(func() {
				p := joinOf("c"+string(rune('a'+w)), "u")
				for range writes {
					res, err := store.PutAndWait(s.ctx, s.b, p)
					if err != nil || res.Outcome != store.Applied {
						s.Errorf("%v %+v", err, res)
						return
					}
					seen[w][res.Seq] = true
					p = next(res.Member, `{}`)
				}
			})
		}
		wg.Wait()
		var last store.Event
		for i := range writers * writes {
			e := s.event(rec)
			if e.Prev != last.Seq || i > 0 && (e.Seq != last.Seq+1 || e.Born != last.Born) {
				s.Fatalf("event %d: %+v prev %d after %+v", i, e.Position, e.Prev, last.Position)
			}
			w := e.Member.ConnID[1] - 'a'
			if !seen[w][e.Seq] {
				s.Fatalf("seq %d was not what its writer was told", e.Seq)
			}
			last = e
		}
		s.quiet(rec, room)
		same(s, s.load(room).Position, last.Position)
	}},
	{"positions come in the order asked", func(s *suite) {
		var want []store.Position
		var ids []string
		for _, id := range oddIDs {
			p := joinOf("c1", "u1")
			p.Room = id
			want = append(want, s.put(p).Position, store.Position{})
			ids = append(ids, id, "no "+id)
		}
		got, err := s.b.Positions(s.ctx, ids)
		s.must(err)
		same(s, got, want)
		got, err = s.b.Positions(s.ctx, nil)
		s.must(err)
		if len(got) != 0 {
			s.Errorf("%v for no rooms", got)
		}
	}},
	{"none: a room without a record", func(s *suite) {
		r := s.load("nobody")
		if len(r.Members) != 0 || r.Position != (store.Position{}) {
			s.Errorf("%+v", r)
		}
	}},
}
