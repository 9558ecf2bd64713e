package storetest

import (
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

func (s *suite) userMembers(user string) []store.Location {
	s.Helper()
	l, err := s.b.UserMembers(s.ctx, user)
	s.must(err)
	slices.SortFunc(l, func(a, b store.Location) int {
		return strings.Compare(a.Room+"\n"+a.ConnID, b.Room+"\n"+b.ConnID)
	})
	return l
}

var indexTests = []test{
	{"says where a user is", func(s *suite) {
		e1 := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 1}
		e2 := store.Entry{Node: "n2", Room: "r2", ConnID: "c1", UserID: "u1", Epoch: 4}
		s.must(s.b.Register(s.ctx, e1))
		s.must(s.b.Register(s.ctx, e1))
		s.must(s.b.Register(s.ctx, e2))
		same(s, s.b.Keys(), []string{"user:u1", "{node:n1}:conns", "{node:n2}:conns"})
		same(s, s.userMembers("u1"), []store.Location{{Room: "r1", ConnID: "c1"}, {Room: "r2", ConnID: "c1"}})
		if l := s.userMembers("u2"); len(l) != 0 {
			s.Errorf("%v", l)
		}
		s.must(s.b.Unregister(s.ctx, e1))
		s.must(s.b.Unregister(s.ctx, e1))
		same(s, s.userMembers("u1"), []store.Location{{Room: "r2", ConnID: "c1"}})
		s.must(s.b.Unregister(s.ctx, e2))
		s.noKeys()
	}},
	{"a user's entry stands for as long as a node holds it", func(s *suite) {
		old := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 1}
		now := store.Entry{Node: "n2", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 2}
		for _, first := range []store.Entry{old, now} {
			s.must(s.b.Register(s.ctx, old))
			s.must(s.b.Register(s.ctx, now))
			s.must(s.b.Register(s.ctx, old))
			s.must(s.b.Unregister(s.ctx, first))
			s.must(s.b.Unregister(s.ctx, first))
			same(s, s.userMembers("u1"), []store.Location{{Room: "r1", ConnID: "c1"}})
			s.must(s.b.Unregister(s.ctx, old))
			s.must(s.b.Unregister(s.ctx, now))
			s.noKeys()
		}
	}},
	{"a node holds a member for one user", func(s *suite) {
		was := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "1 ann", Epoch: 1, Life: "first"}
		now := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "ann", Epoch: 2, Life: "second"}
		s.must(s.b.Register(s.ctx, was))
		s.must(s.b.Register(s.ctx, now))
		same(s, s.b.Keys(), []string{"user:ann", "{node:n1}:conns"})
		same(s, s.entries("n1"), []store.Entry{now})
		s.must(s.b.Unregister(s.ctx, was))
		same(s, s.entries("n1"), []store.Entry{now})
		same(s, s.userMembers("ann"), []store.Location{{Room: "r1", ConnID: "c1"}})
		s.must(s.b.Unregister(s.ctx, now))
		s.noKeys()
	}},
	{"to enter as another user, or where another node is, changes no other entry", func(s *suite) {
		enter := func(node, user string) store.Entry {
			p := store.Put{Room: "r1", Intent: store.IntentJoin, Member: store.Member{ConnID: "c1", UserID: user, Owner: node, Epoch: 1, Write: 1, State: []byte("{}")}}
			_, err := s.b.Enter(s.ctx, p, s.now())
			s.must(err)
			_, err = s.b.Remove(s.ctx, store.Remove{Room: "r1", ConnID: "c1", Epoch: 1, Owner: node})
			s.must(err)
			s.must(s.b.ConnLeave(s.ctx, store.Conn{ConnID: "c1", UserID: user, Room: "r1", Node: node, Epoch: 1}))
			return store.Entry{Node: node, Room: "r1", ConnID: "c1", UserID: user, Epoch: 1}
		}
		enter("n1", "ann")
		bob := enter("n1", "bob")
		same(s, s.b.Keys(), []string{"user:bob", "{node:n1}:conns"})
		other := enter("n2", "bob")
		s.must(s.b.Unregister(s.ctx, other))
		same(s, s.userMembers("bob"), []store.Location{{Room: "r1", ConnID: "c1"}})
		s.must(s.b.Unregister(s.ctx, bob))
		s.noKeys()
	}},
	{"odd ids", func(s *suite) {
		for i, id := range oddIDs {
			e := store.Entry{Node: "n1", Room: id, ConnID: "conn-_1", UserID: oddIDs[(i+1)%len(oddIDs)], Epoch: 1<<53 - 1}
			s.must(s.b.Register(s.ctx, e))
			same(s, s.userMembers(e.UserID), []store.Location{{Room: id, ConnID: "conn-_1"}})
			s.must(s.b.Unregister(s.ctx, e))
		}
		s.noKeys()
	}},
	{"a write after its time does nothing", func(s *suite) {
		e := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 1}
		late, early := e, e
		late.ExpiresMs, early.ExpiresMs = 1, s.now()+3_600_000
		s.late(s.b.Register(s.ctx, late))
		s.noKeys()
		s.must(s.b.Register(s.ctx, early))
		s.late(s.b.Unregister(s.ctx, late))
		late.ExpiresMs = s.now() - 1
		s.late(s.b.Unregister(s.ctx, late))
		same(s, s.entries("n1"), []store.Entry{e})
		same(s, s.userMembers("u1"), []store.Location{{Room: "r1", ConnID: "c1"}})
		s.must(s.b.Unregister(s.ctx, early))
		s.noKeys()
	}},
}
