package storetest

import (
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/store"
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
	{"a member that moved is disowned", func(s *suite) {
		old := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 1}
		now := store.Entry{Node: "n2", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 2}
		s.must(s.b.Register(s.ctx, old))
		s.must(s.b.Register(s.ctx, now))
		s.must(s.b.Disown(s.ctx, old))
		same(s, s.b.Keys(), []string{"user:u1", "{node:n2}:conns"})
		same(s, s.userMembers("u1"), []store.Location{{Room: "r1", ConnID: "c1"}})
		s.must(s.b.Unregister(s.ctx, now))
		s.noKeys()
	}},
	{"only the user's entry is removed without a node", func(s *suite) {
		e := store.Entry{Node: "n1", Room: "r1", ConnID: "c1", UserID: "u1", Epoch: 1}
		s.must(s.b.Register(s.ctx, e))
		s.must(s.b.Unregister(s.ctx, store.Entry{Room: "r1", ConnID: "c1", UserID: "u1"}))
		same(s, s.b.Keys(), []string{"{node:n1}:conns"})
		s.must(s.b.Unregister(s.ctx, e))
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
		s.late(s.b.Disown(s.ctx, late))
		late.ExpiresMs = s.now() - 1
		s.late(s.b.Disown(s.ctx, late))
		same(s, s.entries("n1"), []store.Entry{e})
		same(s, s.userMembers("u1"), []store.Location{{Room: "r1", ConnID: "c1"}})
		s.must(s.b.Disown(s.ctx, early))
		same(s, s.b.Keys(), []string{"user:u1"})
		s.must(s.b.Unregister(s.ctx, early))
		s.noKeys()
	}},
}
