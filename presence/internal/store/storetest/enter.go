package storetest

import (
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const seenMs = 1_700_000_000_000

func (s *suite) enter(p store.Put) store.PutResult {
	s.Helper()
	s.from(p.Room, &p.From)
	res, err := s.b.Enter(s.ctx, p, seenMs)
	s.must(err)
	return res
}

// entered fails unless the indexes have a member and only that.
func (s *suite) entered(p store.Put) {
	s.Helper()
	m := &p.Member
	entries, err := s.b.NodeEntries(s.ctx, m.Owner, 10)
	s.must(err)
	same(s, entries, []store.Entry{{Node: m.Owner, Room: p.Room, ConnID: m.ConnID, UserID: m.UserID, Epoch: m.Epoch, Life: m.Life}})
	same(s, s.userMembers(m.UserID), []store.Location{{Room: p.Room, ConnID: m.ConnID}})
}

// connOfPut is the record that Enter keeps of a connection.
func connOfPut(p store.Put) store.Conn {
	m := &p.Member
	return store.Conn{ConnID: m.ConnID, UserID: m.UserID, Room: p.Room, Node: m.Owner, Epoch: m.Epoch, SeenMs: seenMs}
}

var enterTests = []test{
	{"writes member, indexes and connection", func(s *suite) {
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		res := s.enter(p)
		s.outcome(res.Outcome, store.Applied)
		want := p.Member
		want.Seq, want.JoinedMs = res.Seq, res.NowMs
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		same(s, s.load(room).Position, res.Position)
		same(s, s.event(rec), store.Event{
			Room: room, Position: res.Position, Intent: store.IntentJoin,
			AtMs: res.NowMs, UserConns: 1, Member: want,
		})
		s.entered(p)
		s.record("c1", fields(connOfPut(p), room))
	}},
	{"the second member of a user", func(s *suite) {
		first := s.enter(joinOf("c1", "u1"))
		second := s.enter(joinOf("c2", "u1"))
		if second.Seq != first.Seq+1 || second.Born != first.Born || second.UserConns != 2 {
			s.Errorf("%+v does not follow %+v", second, first)
		}
	}},
	{"twice is once", func(s *suite) {
		p := joinOf("c1", "u1")
		first := s.enter(p)
		s.unchanged(room, func() {
			again := s.enter(p)
			s.outcome(again.Outcome, store.Repeated)
			same(s, again.Member, first.Member)
		})
		s.entered(p)
		s.record("c1", fields(connOfPut(p), room))
	}},
	{"does not replace", func(s *suite) {
		stands := s.put(joinOf("c1", "u1"))
		s.unchanged(room, func() {
			p := joinOf("c1", "u1")
			p.Member.Epoch = 2
			res := s.enter(p)
			s.outcome(res.Outcome, store.Fenced)
			same(s, res.Member, stands.Member)
		})
		s.record("c1", nil)
	}},
	{"a record that is lost is begun anew", func(s *suite) {
		p := joinOf("c1", "u1")
		p.From = store.Position{Seq: s.now()*1000 + 1_000_000_000, Born: "gone"}
		if res := s.enter(p); !res.Reset || res.Seq <= p.From.Seq {
			s.Errorf("%+v", res)
		}
		s.entered(p)
	}},
	{"several rooms, odd ids", func(s *suite) {
		for i, id := range oddIDs {
			p := joinOf("c1", oddIDs[(i+1)%len(oddIDs)])
			p.Room, p.Member.Owner = id, "node"+string(rune('a'+i))
			p.Member.State = []byte("{\"\x00\t\n\r%{}\xff\":1e400}")
			res := s.enter(p)
			s.outcome(res.Outcome, store.Applied)
			same(s, string(res.Member.State), string(p.Member.State))
			s.entered(p)
		}
		if n := len(roomsIn(s, "c1")); n != len(oddIDs) {
			s.Errorf("%d rooms in the record, want %d", n, len(oddIDs))
		}
	}},
	{"a room like a list of rooms", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Room = `["r1"]`
		s.enter(p)
		same(s, roomsIn(s, "c1"), []string{p.Room})
	}},
	{"a large state comes back", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.State = []byte(`{"a":"` + strings.Repeat("x", 10_000) + `"}`)
		rec := s.subscribe(room)
		same(s, string(s.enter(p).Member.State), string(p.Member.State))
		same(s, string(s.event(rec).Member.State), string(p.Member.State))
	}},
	{"after its time does nothing", func(s *suite) {
		p := joinOf("c1", "u1")
		p.ExpiresMs = s.now() - 1
		_, err := s.b.Enter(s.ctx, p, seenMs)
		s.late(err)
		s.noKeys()
		p.ExpiresMs = s.now() + 60_000
		s.outcome(s.enter(p).Outcome, store.Applied)
	}},
}
