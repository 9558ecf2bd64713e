package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// seenOf is the lastSeenMs of a member in a snapshot.
func (c *client) seenOf(room, connID string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms[room].members[connID].LastSeenMs
}

// A member that lost its connection was last heard of before that, on whatever
// node one asks: that others write about it is no life sign.
func TestAwayIsNoLifeSign(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		a, near, far := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "near"), w.connect(w.nodes[1], "far")
		a.join("r", "ann", `,"graceMs":60000`)
		near.join("r", "near", "")
		far.join("r", "far", "")
		time.Sleep(5 * time.Second)
		a.pong()
		last := time.Now().UnixMilli()
		time.Sleep(3 * time.Second)
		a.end(store.ReasonDisconnect, false)
		lost := time.Now().UnixMilli()
		check := func(when string, e *Engine, least, most int64) {
			t.Helper()
			c := w.connect(e, when)
			c.join("r", "x", "")
			if got := c.seenOf("r", "sock-a"); got < least || got > most {
				t.Errorf("%s: last seen %d ms after the last packet, want %d to %d", when, got-last, least-last, most-last)
			}
			members, err := e.Rooms.MembersOf(t.Context(), "r")
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range members {
				if got := m.LastSeen.UnixMilli(); m.ConnID == "sock-a" && (got < least || got > most) {
					t.Errorf("%s: Members says %d ms after the last packet", when, got-last)
				}
			}
			c.end(store.ReasonLeave, true)
		}
		time.Sleep(time.Second)
		check("lost", w.nodes[0], last, last)
		time.Sleep(10 * time.Second) // it is away
		check("away, at its node", w.nodes[0], last, last)
		check("away, elsewhere", w.nodes[1], last, lost)
		members, err := w.nodes[2].Rooms.MembersOf(t.Context(), "r") // from the store
		for _, m := range members {
			if got := m.LastSeen.UnixMilli(); m.ConnID == "sock-a" && (got < last || got > lost) {
				t.Errorf("read from the store: %d ms after the last packet, %v", got-last, err)
			}
		}
		check("away, where nobody was", w.nodes[2], last, lost)
		for _, c := range []*client{near, far} {
			if e := c.lastOf("sock-a"); e.Status != "away" || e.LastSeenMs < last || e.LastSeenMs > lost {
				t.Errorf("%s heard %v, last seen %d ms after the last packet", c.name, e, e.LastSeenMs-last)
			}
		}
		// The grace of a leave may be another one than the join asked for.
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", `,"graceMs":5000`)
		b.send("leave", `{"roomId":"r","graceMs":90000}`).wait()
		left := time.Now().UnixMilli()
		time.Sleep(10 * time.Second)
		c := w.connect(w.nodes[2], "c")
		c.join("r", "c", "")
		if got := c.seenOf("r", "sock-b"); got > left+5000 || got < left {
			t.Errorf("after a leave with a longer grace: last seen %d ms after it", got-left)
		}
	})
}

func (c *client) lastOf(connID string) (last wireEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.log {
		if e.ConnID == connID {
			last = e
		}
	}
	return last
}

// What the Go API returns marshals under the names of the wire.
func TestJSONOfTheAPI(t *testing.T) {
	at := time.UnixMilli(1760000000123).UTC()
	for wanted, value := range map[string]any{
		`{"connId":"c","userId":"u","state":{"a":1},"lastSeen":"2025-10-09T08:53:20.123Z","joined":"2025-10-09T08:53:20.123Z","epoch":2,"status":"away"}`: wire.Member{
			ConnID: "c", UserID: "u", State: json.RawMessage(`{"a":1}`), LastSeen: at, Joined: at, Epoch: 2, Status: wire.StatusAway,
		},
		`{"type":"leave","roomId":"r","userId":"u","connId":"c","state":null,"time":"2025-10-09T08:53:20.123Z","epoch":2,"seq":4,"prev":3,"userConns":0,"reason":"kicked"}`: wire.Event{
			Type: wire.EventLeave, RoomID: "r", UserID: "u", ConnID: "c", Time: at, Epoch: 2, Seq: 4, Prev: 3, Reason: store.ReasonKicked,
		},
		`{"roomId":"r","connId":"c","status":"online"}`: Location{RoomID: "r", ConnID: "c", Status: wire.StatusOnline},
	} {
		got, err := json.Marshal(value)
		if err != nil || string(got) != wanted {
			t.Errorf("%s, %v; want %s", got, err, wanted)
		}
	}
}

func TestRoomsOfTellsTheStatus(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "ann", "")
		a.end(store.ReasonDisconnect, false)
		time.Sleep(3 * time.Second)
		locations, err := w.nodes[1].RoomsOf(t.Context(), "ann")
		if err != nil || len(locations) != 2 {
			t.Fatal(locations, err)
		}
		for _, l := range locations {
			if want := map[string]wire.Status{"sock-a": wire.StatusAway, "sock-b": wire.StatusOnline}[l.ConnID]; l.Status != want {
				t.Errorf("%+v, want %s", l, want)
			}
		}
	})
}
