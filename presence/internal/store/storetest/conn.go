package storetest

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

func connOf(room string) store.Conn {
	return store.Conn{ConnID: "c1", UserID: "u1", Room: room, Node: "n1", Epoch: 1, SeenMs: 1_700_000_000_000}
}

// record fails unless the record is as wanted and will expire in time.
func (s *suite) record(connID string, want map[string]string) {
	s.Helper()
	got, ttl := s.b.ConnRecord(connID)
	same(s, got, want)
	if want != nil && (ttl <= 0 || ttl > TTL) {
		s.Errorf("time to live %v", ttl)
	}
}

func fields(c store.Conn, roomID string) map[string]string {
	return map[string]string{
		"user_id": c.UserID, "room_id": roomID, "node_id": c.Node,
		"epoch": strconv.FormatInt(c.Epoch, 10), "last_seen_ms": strconv.FormatInt(c.SeenMs, 10),
	}
}

// roomsIn decodes a room_id that holds several rooms.
func roomsIn(s *suite, connID string) []string {
	s.Helper()
	f, _ := s.b.ConnRecord(connID)
	var rooms []string
	if err := json.Unmarshal([]byte(f["room_id"]), &rooms); err != nil {
		s.Fatalf("room_id %q: %v", f["room_id"], err)
	}
	slices.Sort(rooms)
	return rooms
}

var connTests = []test{
	{"join, again, leave", func(s *suite) {
		c := connOf("r1")
		s.must(s.b.ConnJoin(s.ctx, c))
		s.must(s.b.ConnJoin(s.ctx, c))
		s.record("c1", fields(c, "r1"))
		same(s, s.b.Keys(), []string{"conn:c1"})
		s.must(s.b.ConnLeave(s.ctx, c))
		s.must(s.b.ConnLeave(s.ctx, c))
		s.record("c1", nil)
		s.noKeys()
	}},
	{"several rooms are a JSON array", func(s *suite) {
		c := connOf("")
		for i, id := range oddIDs {
			c.Room = id
			s.must(s.b.ConnJoin(s.ctx, c))
			s.must(s.b.ConnJoin(s.ctx, c))
			if i == 0 {
				s.record("c1", fields(c, id))
				continue
			}
			want := slices.Clone(oddIDs[:i+1])
			slices.Sort(want)
			same(s, roomsIn(s, "c1"), want)
		}
		for i, id := range oddIDs {
			c.Room = id
			s.must(s.b.ConnLeave(s.ctx, c))
			if left := oddIDs[i+1:]; len(left) > 1 {
				want := slices.Clone(left)
				slices.Sort(want)
				same(s, roomsIn(s, "c1"), want)
			} else if len(left) == 1 && left[0][0] != '[' {
				s.record("c1", fields(c, left[0]))
			}
		}
		s.noKeys()
	}},
	{"a room whose id begins like an array is always in one", func(s *suite) {
		for _, id := range []string{`["a","b"]`, `[]`, `[`, `["x"`, "[1]"} {
			c := connOf(id)
			only := func(want ...string) {
				slices.Sort(want)
				same(s, roomsIn(s, "c1"), want)
			}
			s.must(s.b.ConnJoin(s.ctx, c))
			only(id)
			c.Room = "b"
			s.must(s.b.ConnJoin(s.ctx, c))
			only(id, "b")
			s.must(s.b.ConnLeave(s.ctx, c))
			only(id)
			c.Room = "a" // not in any room of it
			s.must(s.b.ConnLeave(s.ctx, c))
			only(id)
			c.Room = id
			s.must(s.b.ConnLeave(s.ctx, c))
			s.noKeys()
		}
	}},
	{"the highest epoch and the last seen stay, the owner changes", func(s *suite) {
		c := connOf("r1")
		c.Epoch = 1<<53 - 1
		s.must(s.b.ConnJoin(s.ctx, c))
		d := c
		d.Node, d.Epoch, d.SeenMs, d.UserID = "n2", 3, c.SeenMs-1, "u2"
		s.must(s.b.ConnJoin(s.ctx, d))
		want := c
		want.Node, want.UserID = "n2", "u2"
		s.record("c1", fields(want, "r1"))
	}},
	{"a late leave of the owner before keeps the room", func(s *suite) {
		old, now := connOf("r1"), connOf("r1")
		now.Node, now.Epoch = "n2", 2
		s.must(s.b.ConnJoin(s.ctx, old))
		s.must(s.b.ConnJoin(s.ctx, now))
		s.must(s.b.ConnLeave(s.ctx, old))
		s.record("c1", fields(now, "r1"))
		s.must(s.b.ConnLeave(s.ctx, now))
		s.noKeys()
	}},
	{"a leave of an earlier epoch by the owner itself counts", func(s *suite) {
		c := connOf("r1")
		c.Epoch = 9
		s.must(s.b.ConnJoin(s.ctx, c))
		c.Room, c.Epoch = "r2", 1
		s.must(s.b.ConnJoin(s.ctx, c))
		s.must(s.b.ConnLeave(s.ctx, c))
		c.Room, c.Epoch = "r1", 9
		s.record("c1", fields(c, "r1"))
	}},
	{"a leave counts by the epoch of its own room", func(s *suite) {
		here, there := connOf("r1"), connOf("r2")
		here.Epoch = 2
		there.Node, there.Epoch = "n2", 9
		s.must(s.b.ConnJoin(s.ctx, here))
		late := connOf("r2") // resumed elsewhere, unlike r1
		s.must(s.b.ConnJoin(s.ctx, late))
		s.must(s.b.ConnJoin(s.ctx, there))
		s.must(s.b.ConnLeave(s.ctx, late))
		same(s, roomsIn(s, "c1"), []string{"r1", "r2"})
		s.must(s.b.ConnLeave(s.ctx, here))
		s.record("c1", fields(there, "r2"))
		here.Node, here.Epoch = "n3", 4
		s.must(s.b.ConnJoin(s.ctx, here))
		here.SeenMs = there.SeenMs
		s.must(s.b.ConnLeave(s.ctx, there)) // in another node's hands, but not with that epoch
		s.record("c1", fields(here, "r1"))
		s.must(s.b.ConnLeave(s.ctx, here))
		s.noKeys()
	}},
	{"refresh", func(s *suite) {
		c := connOf("r1")
		other := connOf("r1")
		other.ConnID, other.Node = "c2", "n2"
		s.must(s.b.ConnJoin(s.ctx, c))
		s.must(s.b.ConnJoin(s.ctx, other))
		var seen []store.Seen
		for i := range 300 {
			seen = append(seen, store.Seen{ConnID: "gone" + strconv.Itoa(i), SeenMs: 5})
		}
		seen = append(seen, store.Seen{ConnID: "c1", SeenMs: c.SeenMs + 7}, store.Seen{ConnID: "c2", SeenMs: c.SeenMs + 7})
		missing, err := s.b.ConnRefresh(s.ctx, "n1", seen)
		s.must(err)
		var want []string
		for _, x := range seen[:300] {
			want = append(want, x.ConnID)
		}
		same(s, missing, want)
		s.record("c2", fields(other, "r1"))
		c.SeenMs += 7
		s.record("c1", fields(c, "r1"))
		missing, err = s.b.ConnRefresh(s.ctx, "n1", []store.Seen{{ConnID: "c1", SeenMs: 5}})
		s.must(err)
		if len(missing) != 0 {
			s.Errorf("missing %v", missing)
		}
		s.record("c1", fields(c, "r1"))
		_, err = s.b.ConnRefresh(s.ctx, "n1", nil)
		s.must(err)
		same(s, s.b.Keys(), []string{"conn:c1", "conn:c2"})
	}},
	{"refresh and join renew the time to live", func(s *suite) {
		c := connOf("r1")
		s.must(s.b.ConnJoin(s.ctx, c))
		for name, renew := range map[string]func(){
			"refresh": func() {
				_, err := s.b.ConnRefresh(s.ctx, "n1", []store.Seen{{ConnID: "c1", SeenMs: 5}})
				s.must(err)
			},
			"join of the same room": func() { s.must(s.b.ConnJoin(s.ctx, c)) },
			"join of another room":  func() { s.must(s.b.ConnJoin(s.ctx, connOf("r2"))) },
		} {
			_, first := s.b.ConnRecord("c1")
			worn := first
			for worn > first-3*time.Millisecond && s.ctx.Err() == nil {
				_, worn = s.b.ConnRecord("c1")
			}
			// Where a machine is slow, so much may pass again before the record is read.
			ttl := worn
			for tries := 0; ttl <= worn && tries < 100; tries++ {
				renew()
				_, ttl = s.b.ConnRecord("c1")
			}
			if ttl <= worn {
				s.Errorf("%s: time to live %v after %v", name, ttl, worn)
			}
		}
	}},
	{"a write after its time does nothing", func(s *suite) {
		c := connOf("r1")
		late, early := c, c
		late.ExpiresMs, early.ExpiresMs = 1, s.now()+3_600_000
		s.late(s.b.ConnJoin(s.ctx, late))
		s.noKeys()
		s.must(s.b.ConnJoin(s.ctx, early))
		s.late(s.b.ConnLeave(s.ctx, late))
		s.record("c1", fields(c, "r1"))
		s.must(s.b.ConnLeave(s.ctx, early))
		s.noKeys()
	}},
}
