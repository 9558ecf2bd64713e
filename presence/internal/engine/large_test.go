package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/fold"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// ids are the connIds of members, in order.
func ids(members []wireMember) string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = strings.TrimPrefix(m.ConnID, "sock-")
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// batched connects a client that joins in a format.
func (w *world) batched(e *Engine, name, format string) *client {
	c := w.connect(e, name)
	c.format = format
	c.join("r", name, format)
	return c
}

// slowRooms has changes gathered in all rooms of a node.
func slowRooms(e *Engine) { e.Rooms.Pace.FreeRate = 1 }

// A room comes in parts: in an order that stays, with the member itself beyond the limit.
func TestPartsOfARoom(t *testing.T) {
	for _, c := range []struct {
		limit       int
		first, rest string // rest has a bar between parts
	}{
		{0, "m", "a b|c d|e f|m x"},
		{1, "a m", "b c|d e|f m|x"},
		{6, "a b c d e f m", "m x"},
		{7, "a b c d e f m", "x"},
		{8, "a b c d e f m x", ""},
		{1000, "a b c d e f m x", ""},
	} {
		inWorld(t, 1, func(w *world) {
			for _, name := range strings.Fields("f b d x a c e") {
				w.connect(w.nodes[0], name).join("r", "u"+name, "")
			}
			me := w.connect(w.nodes[0], "m")
			me.format = fmt.Sprintf(`,"batch":true,"limit":%d`, c.limit)
			ack := me.join("r", "ua", me.format)
			if got := ids(ack.Snapshot); got != c.first {
				t.Errorf("limit %d: the first part is %s, want %s", c.limit, got, c.first)
			}
			if want := (wireTotal{8, 7}); ack.Total == nil || *ack.Total != want {
				t.Errorf("limit %d: total %v", c.limit, ack.Total)
			}
			var parts []string
			for next := ack.Next; next != "" && len(parts) < 10; {
				page := me.send("members", fmt.Sprintf(`{"roomId":"r","after":%q,"limit":2}`, next)).wait()
				if page.Seq != ack.Seq || page.Total == nil || page.Total.Members != 8 {
					t.Errorf("limit %d: a page at %d with a total of %v", c.limit, page.Seq, page.Total)
				}
				parts = append(parts, ids(page.Members))
				next = page.Next
			}
			if got := strings.Join(parts, "|"); got != c.rest {
				t.Errorf("limit %d: then %s, want %s", c.limit, got, c.rest)
			}
			sync := me.send("sync", `{"roomId":"r"}`).wait()
			if got := ids(sync.Snapshot); got != c.first || sync.Next != ack.Next || sync.Total == nil {
				t.Errorf("limit %d: a sync brings %s, next %q, total %v", c.limit, got, sync.Next, sync.Total)
			}
		})
	}
}

// Members that come and go between two parts do not move the place behind the first.
func TestPlaceInARoomThatChanges(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		all := make(map[string]*client)
		for _, name := range strings.Fields("b c d e") {
			all[name] = w.connect(w.nodes[0], name)
			all[name].join("r", name, "")
		}
		page := all["e"].send("members", `{"roomId":"r","limit":2}`).wait()
		all["c"].send("leave", `{}`).wait() // the place itself
		w.connect(w.nodes[0], "a").join("r", "a", "")
		w.connect(w.nodes[0], "ca").join("r", "ca", "")
		rest := all["e"].send("members", fmt.Sprintf(`{"roomId":"r","after":%q}`, page.Next)).wait()
		if first, then := ids(page.Members), ids(rest.Members); first != "b c" || then != "ca d e" || rest.Next != "" {
			t.Errorf("first %s, then %s, next %q", first, then, rest.Next)
		}
	})
}

func TestPagesOfOthersAreRefused(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.connect(w.nodes[0], "c")
		for payload, code := range map[string]wire.Code{
			`{"roomId":"r"}`:             wire.CodeNotJoined,
			`{}`:                         wire.CodeInvalidPayload,
			`{"roomId":"r","limit":0}`:   wire.CodeInvalidPayload,
			`{"roomId":"r","after":"x"}`: wire.CodeInvalidPayload,
		} {
			if ack := c.send("members", payload).wait(); ack.Code != code {
				t.Errorf("%s is answered with %q, want %q", payload, ack.Code, code)
			}
		}
	})
}

// A part of large members is smaller than its limit says, but never empty.
func TestPartsAreBoundedInBytes(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		state := `,"state":{"x":"` + strings.Repeat("x", 15<<10) + `"}`
		for i := range 40 {
			w.connect(w.nodes[0], fmt.Sprintf("c%02d", i)).join("r", "u", state)
		}
		me := w.connect(w.nodes[0], "me")
		first := me.send("join", `{"roomId":"r","userId":"me","limit":1000}`)
		ack, size, seen := first.wait(), len(first.raw), 0
		for next := ack.Next; next != ""; {
			p := me.send("members", fmt.Sprintf(`{"roomId":"r","after":%q}`, next))
			page := p.wait()
			if len(page.Members) == 0 {
				t.Fatalf("a part is empty: %s", p.raw)
			}
			size, seen, next = max(size, len(p.raw)), seen+len(page.Members), page.Next
		}
		if seen += len(ack.Snapshot); seen != 42 { // itself twice
			t.Errorf("%d members in all", seen)
		}
		if size > wire.MaxBatch+1024 {
			t.Errorf("a part has %d bytes", size)
		}
	})
}

// A few changes are told at once, each by itself; many are gathered.
func TestChangesAreGathered(t *testing.T) {
	for _, format := range []string{`,"batch":true`, `,"deltas":true`} {
		inWorld(t, 2, func(w *world) {
			listener := w.batched(w.nodes[0], "l", format)
			talker := w.connect(w.nodes[1], "t")
			talker.join("r", "t", `,"state":{"a":1,"b":2}`)
			listener.heard()
			listener.batches = 0
			for n := range 5 {
				talker.patch(fmt.Sprintf(`{"a":%d}`, n+10))
			}
			if listener.heard(); listener.batches != 5 {
				t.Errorf("%s: 5 changes came in %d messages", format, listener.batches)
			}
			slowRooms(w.nodes[0])
			w.batched(w.nodes[0], "m", `,"batch":true`).send("leave", `{}`).wait()
			listener.send("leave", `{}`).wait()
			listener.join("r", "l", format)
			for n := range 3 {
				talker.patch(fmt.Sprintf(`{"a":%d}`, n)) // uses up what is told at once
			}
			time.Sleep(time.Second)
			listener.heard()
			listener.batches = 0
			for n := range 50 {
				talker.patch(fmt.Sprintf(`{"a":%d}`, n+100))
			}
			time.Sleep(2 * time.Second)
			got := listener.heard()
			if listener.batches == 0 || listener.batches > 5 {
				t.Errorf("%s: 50 changes came in %d messages", format, listener.batches)
			}
			if !strings.HasSuffix(got, `update t@r {"a":149,"b":2}`) {
				t.Errorf("%s: heard\n%s", format, got)
			}
			w.agree("r")
		})
	}
}

// A member that a client was shown by an answer leaves before its join is told: the leave is told.
func TestALeaveOfWhoWasShown(t *testing.T) {
	for name, look := range map[string]func(w *world, c *client){
		"in a part":     func(_ *world, c *client) { c.readPage("r", c.rooms["r"], ":") },
		"when joining":  func(w *world, _ *client) { w.batched(w.nodes[0], "d", `,"batch":true`) },
		"by a new join": func(_ *world, c *client) { c.join("r", "c", c.format) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				w.nodes[0].Rooms.Pace = fold.Pace{FreeRate: -1, MinTick: time.Second}
				c := w.batched(w.nodes[0], "c", `,"deltas":true`)
				time.Sleep(2 * time.Second)
				x := w.connect(w.nodes[1], "x") // whose own answer is of another node
				x.join("r", "x", "")
				look(w, c)
				synctest.Wait()
				x.send("leave", `{}`).wait()
				time.Sleep(2 * time.Second)
				w.agree("r")
			})
		})
	}
}

// Whoever is removed hears it at once, although changes are gathered.
func TestAKickIsToldAtOnce(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		slowRooms(e)
		c := w.batched(e, "c", `,"deltas":true`)
		for n := range 4 {
			c.patch(fmt.Sprintf(`{"n":%d}`, n))
		}
		c.heard()
		if _, err := e.Kick(context.Background(), KickTarget{RoomID: "r", UserID: "c"}); err != nil {
			t.Fatal(err)
		}
		if got := c.heard(); !strings.HasSuffix(got, "leave c@r kicked") {
			t.Errorf("heard %q", got)
		}
	})
}

// What a client is told and how is up to its latest join, a resume included.
func TestFormatOfTheLatestJoin(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		other := w.connect(e, "o")
		other.join("r", "o", "")
		c := w.connect(e, "c")
		var token string
		for i, format := range []string{"", `,"batch":true`, `,"deltas":true`, `,"limit":1`, `,"deltas":true`, ""} {
			ack := c.join("r", "c", `,"graceMs":5000`+format)
			synctest.Wait() // its own join came as the join before asked
			c.mu.Lock()
			c.format = format
			c.mu.Unlock()
			token = ack.Self.Resume
			if asked := format != ""; (ack.Total != nil) != asked {
				t.Errorf("%q: total %v", format, ack.Total)
			}
			c.heard()
			c.batches = 0
			other.patch(fmt.Sprintf(`{"n":%d}`, i))
			want := 0
			if strings.Contains(format, "true") {
				want = 1
			}
			if got := c.heard(); c.batches != want || got != fmt.Sprintf(`update o@r {"n":%d}`, i) {
				t.Errorf("%q: heard %q in %d batches", format, got, c.batches)
			}
		}
		c.end(store.ReasonDisconnect, false)
		d := w.connect(e, "d")
		d.format = `,"batch":true`
		if ack := d.join("r", "c", fmt.Sprintf(`,"resume":%q`, token)+d.format); !ack.Resumed || ack.Total == nil {
			t.Errorf("resumed %t, total %v", ack.Resumed, ack.Total)
		}
		other.patch(`{"n":9}`)
		if got := d.heard(); d.batches != 1 || got != `update o@r {"n":9}` {
			t.Errorf("after a resume: heard %q in %d batches", got, d.batches)
		}
	})
}

// What is gathered and has more than 256 KiB comes in several messages, without a gap.
func TestALargeBatchIsSplit(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		slowRooms(e)
		listener := w.batched(e, "l", `,"batch":true`)
		time.Sleep(time.Second)
		state := `,"state":{"x":"` + strings.Repeat("x", 15<<10) + `"}`
		for i := range 40 {
			w.connect(e, fmt.Sprint("c", i)).send("join", fmt.Sprintf(`{"roomId":"r","userId":"u%d"%s}`, i, state))
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		listener.heard()
		if listener.largest > wire.MaxBatch+1024 || listener.largest < wire.MaxBatch/2 {
			t.Errorf("the largest message has %d bytes", listener.largest)
		}
		w.agree("r")
	})
}
