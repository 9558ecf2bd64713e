package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// userEntry is an entry of u1 in room r1, in the first life of a connection.
func userEntry(connID string) store.UserEntry {
	return store.UserEntry{UserID: "u1", Room: "r1", ConnID: connID, Life: "first"}
}

func (s *suite) userMembers(user string) []store.Location {
	s.Helper()
	l, err := s.b.UserMembers(s.ctx, user)
	s.must(err)
	slices.SortFunc(l, func(a, b store.Location) int {
		return strings.Compare(a.Room+"\n"+a.ConnID, b.Room+"\n"+b.ConnID)
	})
	return l
}

// isIn fails unless a user is where the entries say, which are sorted.
func (s *suite) isIn(userID string, want ...store.UserEntry) {
	s.Helper()
	var at []store.Location
	for _, u := range want {
		at = append(at, store.Location{Room: u.Room, ConnID: u.ConnID})
	}
	got := s.userMembers(userID)
	if len(got) == 0 {
		got = nil
	}
	same(s, got, at)
}

var userTests = []test{
	{"says where a user is", func(s *suite) {
		a, b, other := userEntry("c1"), userEntry("c1"), userEntry("c2")
		b.Room, other.UserID = "r2", "u2"
		for _, u := range []store.UserEntry{a, a, b, other} {
			s.must(s.b.AddUser(s.ctx, u))
		}
		same(s, s.b.Keys(), []string{"user:u1", "user:u2"})
		s.isIn("u1", a, b)
		s.isIn("u3")
		s.must(s.b.RemoveUser(s.ctx, a))
		s.must(s.b.RemoveUser(s.ctx, a))
		s.isIn("u1", b)
		s.must(s.b.RemoveUser(s.ctx, b))
		s.isIn("u2", other)
		s.must(s.b.RemoveUser(s.ctx, other))
		s.noKeys()
	}},
	{"to remove another life changes nothing", func(s *suite) {
		first, second := userEntry("c1"), userEntry("c1")
		second.Life = "second"
		s.must(s.b.AddUser(s.ctx, first))
		s.must(s.b.RemoveUser(s.ctx, second))
		s.isIn("u1", first)
		s.must(s.b.AddUser(s.ctx, second))
		s.must(s.b.RemoveUser(s.ctx, first))
		nameless := first
		nameless.Life = ""
		s.must(s.b.RemoveUser(s.ctx, nameless))
		s.isIn("u1", second)
		s.must(s.b.RemoveUser(s.ctx, second))
		s.noKeys()
	}},
	{"entries end unless one of them is written again", func(s *suite) {
		a, b := userEntry("c1"), userEntry("c2")
		s.must(s.b.AddUser(s.ctx, a))
		s.b.Age(store.UserTTL / 2)
		s.must(s.b.AddUser(s.ctx, b))
		s.b.Age(store.UserTTL - time.Minute)
		s.isIn("u1", a, b)
		s.must(s.b.AddUser(s.ctx, b))
		s.b.Age(store.UserTTL - time.Minute)
		s.must(s.b.RemoveUser(s.ctx, b)) // renews nothing
		s.isIn("u1", a)
		s.b.Age(time.Minute)
		s.isIn("u1")
		s.noKeys()
		s.must(s.b.AddUser(s.ctx, b))
		s.isIn("u1", b)
	}},
	{"odd ids", func(s *suite) {
		for i, id := range oddIDs {
			u := store.UserEntry{UserID: oddIDs[(i+1)%len(oddIDs)], Room: id, ConnID: "conn-_1", Life: "-_09azAZ"}
			s.must(s.b.AddUser(s.ctx, u))
			s.isIn(u.UserID, u)
			s.must(s.b.RemoveUser(s.ctx, u))
		}
		s.noKeys()
	}},
	{"a write after its time does nothing", func(s *suite) {
		late, early := userEntry("c1"), userEntry("c1")
		late.ExpiresMs, early.ExpiresMs = 1, s.now()+3_600_000
		s.late(s.b.AddUser(s.ctx, late))
		s.noKeys()
		s.must(s.b.AddUser(s.ctx, early))
		late.ExpiresMs = s.now() - 1
		s.late(s.b.RemoveUser(s.ctx, late))
		s.isIn("u1", early)
		s.must(s.b.RemoveUser(s.ctx, early))
		s.noKeys()
	}},
}
