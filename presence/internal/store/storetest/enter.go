package storetest

import (
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const seenMs = 1_700_000_000_000

func (s *suite) enter(p store.Put) store.PutResult {
	s.Helper()
	return s.enterAs(store.EnterRequest{Put: p})
}

// enterAs is enter of whoever is the first of its node in the room, or not.
func (s *suite) enterAs(q store.EnterRequest) store.PutResult {
	s.Helper()
	s.from(q.Room, &q.From)
	q.SeenMs = seenMs
	res, err := s.b.Enter(s.ctx, q)
	s.must(err)
	return res
}

// entered fails unless the user is where the member is, in its life, and nowhere else.
func (s *suite) entered(p store.Put) {
	s.Helper()
	u := p.UserEntry()
	s.isIn(u.UserID, u)
	other := u
	other.Life += "2"
	s.must(s.b.RemoveUser(s.ctx, other))
	s.isIn(u.UserID, u)
	s.must(s.b.RemoveUser(s.ctx, u))
	s.isIn(u.UserID)
	s.must(s.b.AddUser(s.ctx, u))
}

var enterTests = []test{
	{"writes member, user and connection", func(s *suite) {
		rec := s.subscribe(room)
		p := joinOf("c1", "u1")
		res := s.enter(p)
		s.outcome(res.Outcome, store.Applied)
		want := p.Member
		want.Seq, want.JoinedMs = res.Seq, res.Member.JoinedMs
		same(s, res.Member, want)
		same(s, s.load(room).Members, []store.Member{want})
		same(s, s.load(room).Position, res.Position)
		same(s, s.event(rec), store.Event{
			Room: room, Position: res.Position, Intent: store.IntentJoin,
			AtMs: want.JoinedMs, UserConns: 1, Member: want,
		})
		s.entered(p)
		s.record("c1", fields(p.Conn(seenMs), room))
		same(s, s.b.Keys(), []string{"conn:c1", "user:u1", "{room:" + room + "}"})
	}},
	{"adds the room to those of its node if asked to", func(s *suite) {
		q := store.EnterRequest{Put: joinOf("c1", "u1"), AddRoom: true}
		q.ExpiresMs = s.now() + 60_000
		first := s.enterAs(q)
		s.outcome(first.Outcome, store.Applied)
		node := q.Member.Owner
		same(s, s.nodeRooms(node, nothing), []string{room})
		s.entered(q.Put)
		s.record("c1", fields(q.Conn(seenMs), room))
		q.Member.ConnID = "c2"
		if second := s.enterAs(q); second.Seq != first.Seq+1 {
			s.Errorf("%+v does not follow %+v", second, first)
		}
		same(s, s.nodeRooms(node, nothing), []string{room})
		s.must(s.b.RemoveRoom(s.ctx, q.NodeRoom()))
		s.outcome(s.enterAs(q).Outcome, store.Repeated)
		same(s, s.nodeRooms(node, nothing), []string{room})
	}},
	{"the second member of a user", func(s *suite) {
		first := s.enter(joinOf("c1", "u1"))
		second := s.enter(joinOf("c2", "u1"))
		if second.Seq != first.Seq+1 || second.Born != first.Born {
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
		s.record("c1", fields(p.Conn(seenMs), room))
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
		s.isIn("u1")
	}},
	{"a record that is lost is begun anew", func(s *suite) {
		p := joinOf("c1", "u1")
		p.From = store.Position{Seq: s.now()*1000 + 1_000_000_000, Born: "gone"}
		if res := s.enter(p); res.Seq <= p.From.Seq || res.Born == "gone" {
			s.Errorf("%+v", res)
		}
		s.entered(p)
	}},
	{"a record that is lost is begun anew in a new room of the node", func(s *suite) {
		q := store.EnterRequest{Put: joinOf("c1", "u1"), AddRoom: true}
		q.From = store.Position{Seq: s.now()*1000 + 1_000_000_000, Born: "gone"}
		s.outcome(s.enterAs(q).Outcome, store.Applied)
		same(s, s.nodeRooms(q.Member.Owner, nothing), []string{room})
	}},
	{"several rooms, odd ids", func(s *suite) {
		for i, id := range oddIDs {
			p := joinOf("c1", oddIDs[(i+1)%len(oddIDs)])
			p.Room, p.Member.Owner = id, "node"+string(rune('a'+i))
			p.Member.State = []byte("{\"\x00\t\n\r%{}\xff\":1e400}")
			res := s.enterAs(store.EnterRequest{Put: p, AddRoom: true})
			s.outcome(res.Outcome, store.Applied)
			same(s, string(res.Member.State), string(p.Member.State))
			s.entered(p)
			same(s, s.nodeRooms(p.Member.Owner, nothing), []string{id})
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
	{"a second room of a connection", func(s *suite) {
		p, q := joinOf("c1", "u1"), joinOf("c1", "u1")
		q.Room, q.Member.Epoch = "r2", 3
		s.enter(p)
		s.outcome(s.enter(q).Outcome, store.Applied)
		same(s, roomsIn(s, "c1"), []string{room, "r2"})
		s.isIn("u1", p.UserEntry(), q.UserEntry())
		f, _ := s.b.ConnRecord("c1")
		same(s, f["epoch"], "3")
	}},
	{"the entry of its user ends unless it is written again", func(s *suite) {
		s.enter(joinOf("c1", "u1"))
		s.b.Age(store.UserTTL - time.Minute)
		s.enter(joinOf("c2", "u1"))
		s.b.Age(store.UserTTL - time.Minute)
		if n := len(s.userMembers("u1")); n != 2 {
			s.Errorf("%d entries", n)
		}
		s.b.Age(time.Minute)
		s.isIn("u1")
	}},
	{"a large state comes back", func(s *suite) {
		p := joinOf("c1", "u1")
		p.Member.State = []byte(`{"a":"` + strings.Repeat("x", 10_000) + `"}`)
		rec := s.subscribe(room)
		same(s, string(s.enter(p).Member.State), string(p.Member.State))
		same(s, string(s.event(rec).Member.State), string(p.Member.State))
	}},
	{"after its time does nothing", func(s *suite) {
		q := store.EnterRequest{Put: joinOf("c1", "u1"), SeenMs: seenMs}
		for _, q.AddRoom = range []bool{false, true} {
			q.ExpiresMs = s.now() - 1
			_, err := s.b.Enter(s.ctx, q)
			s.late(err)
		}
		s.noKeys()
		q.ExpiresMs = s.now() + 60_000
		s.outcome(s.enterAs(q).Outcome, store.Applied)
	}},
}
