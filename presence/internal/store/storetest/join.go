package storetest

import (
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var joinTests = []test{
	{"first member begins the room", func(s *suite) {
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		res := s.put(p)
		s.outcome(res.Outcome, store.Applied)
		joinedMs := res.Member.JoinedMs
		if res.Seq/1000 != joinedMs || joinedMs == 0 || res.Born == "" {
			s.Errorf("%+v: seq of a fresh room is the time in µs", res)
		}
		want := p.Member
		want.Seq, want.JoinedMs = res.Seq, joinedMs
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		same(s, s.load(room).Position, res.Position)
		same(s, s.event(rec), store.Event{
			Room: room, Position: res.Position, Intent: store.IntentJoin,
			AtMs: joinedMs, UserConns: 1, Member: want,
		})
	}},
	{"second member follows", func(s *suite) {
		rec := s.subscribe(room)
		first := s.put(joinOf("c1", "u1"))
		second := s.put(joinOf("c2", "u2"))
		if second.Seq != first.Seq+1 || second.Born != first.Born {
			s.Errorf("%+v does not follow %+v", second.Position, first.Position)
		}
		s.event(rec)
		if e := s.event(rec); e.Prev != first.Seq || e.Seq != second.Seq {
			s.Errorf("event seq %d prev %d", e.Seq, e.Prev)
		}
		if n := len(s.load(room).Members); n != 2 {
			s.Errorf("%d members", n)
		}
	}},
	{"some members are read alone", func(s *suite) {
		for _, id := range []string{"c1", "c2", "c3"} {
			s.put(joinOf(id, "u1"))
		}
		all := s.load(room)
		some, err := s.b.LoadMembers(s.ctx, room, []string{"c3", "nobody", "c1"})
		s.must(err)
		same(s, some.Position, all.Position)
		same(s, some.Members, []store.Member{all.Members[2], all.Members[0]})
		none, err := s.b.LoadMembers(s.ctx, "no such room", []string{"c1"})
		s.must(err)
		if len(none.Members) != 0 || none.Position != (store.Position{}) {
			s.Errorf("of a room without a record: %+v", none)
		}
	}},
	{"joined time is kept", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.JoinedMs = 12345
		if got := s.put(p).Member.JoinedMs; got != 12345 {
			s.Errorf("joined %d", got)
		}
	}},
	{"every field and byte comes back", func(s *suite) {
		for i, id := range oddIDs {
			p := store.Put{Room: id, Intent: store.IntentJoin, Member: store.Member{
				ConnID: oddIDs[(i+1)%len(oddIDs)], UserID: oddIDs[(i+2)%len(oddIDs)], Owner: "n-_1",
				Epoch: 1<<53 - 1, Write: 1<<53 - 3, Life: "-_09azAZ", JoinedMs: 1<<53 - 5, GraceMs: 120_000, UntilMs: 1<<53 - 7,
				Lost: store.ReasonTimeout, Away: true, Token: store.Digest{0xff, 0, 1, 15: 0xfe},
				State: []byte("{\"\x00\t\n\r%{}\xff\":1e400,\"__proto__\":[]}"), Newer: newer,
			}}
			rec := s.subscribe(id)
			res := s.put(p)
			want := p.Member
			want.Seq = res.Seq
			same(s, res.Member, want)
			same(s, s.load(id).Members, []store.Member{want})
			same(s, s.event(rec).Member, want)
		}
	}},
	{"state belongs to the caller again", func(s *suite) {
		p := joinOf("c1", "u1")
		want := string(p.Member.State)
		res := s.put(p)
		clear(p.Member.State)
		if string(res.Member.State) != want || string(s.load(room).Members[0].State) != want {
			s.Error("the store kept the caller's slice")
		}
	}},
	{"with no fence does not replace", func(s *suite) {
		stands := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			p := joinOf("c1", "u1")
			p.Member.Epoch = 2
			res := s.put(p)
			s.outcome(res.Outcome, store.Fenced)
			same(s, res.Member, stands.Member)
			same(s, res.Position, stands.Position)
		})
	}},
	{"connections of a user are counted", func(s *suite) {
		rec := s.subscribe(room)
		for i, c := range []string{"c1", "c2", "c3"} {
			s.put(joinOf(c, "u1"))
			s.conns(rec, i+1)
		}
		s.put(joinOf("c4", "u2"))
		s.conns(rec, 1)
	}},
	{"another user on the only connection", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		rec := s.subscribe(room)
		p := next(a.Member, `{}`)
		p.Member.UserID = "u2"
		b := s.put(p)
		s.conns(rec, 1)
		s.remove(leaveOf(b.Member))
		s.conns(rec, 0)
		s.noKeys()
	}},
	{"another user on the same connection", func(s *suite) {
		a := s.put(joinOf("c1", "u1"))
		s.put(joinOf("c2", "u1"))
		s.put(joinOf("c3", "u2"))
		rec := s.subscribe(room)
		p := next(a.Member, `{}`)
		p.Member.UserID = "u2"
		s.put(p)
		s.conns(rec, 2)
		for i, c := range []string{"c2", "c1", "c3"} {
			s.remove(store.Remove{Room: room, ConnID: c, Epoch: 1})
			s.conns(rec, []int{0, 1, 0}[i])
		}
		s.noKeys()
	}},
}

// oddIDs are ids that an encoding could stumble over.
var oddIDs = []string{
	"plain", "a:b:c", "{tag}", "}{", "%7B%", "room 1 with spaces", "ümläut 🎉", `quo"te\back`, "m:seq", "seq", "born", "u:",
	"\u2028", "null", "[1]", "7", strings.Repeat("é", 128),
}
