package replica

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// When a member was last heard of, by how it stands in the store at a time.
func TestSeenByTheStore(t *testing.T) {
	const at = beginMs
	grace := func(lostAt, graceMs int64) func(m *store.Member) {
		return func(m *store.Member) {
			m.Away, m.GraceMs, m.UntilMs, m.Lost = true, graceMs, lostAt+graceMs, store.ReasonTimeout
		}
	}
	for name, c := range map[string]struct {
		change  func(m *store.Member)
		knownMs int64
		want    int64
	}{
		"it is online":                                       {func(*store.Member) {}, at - 9, at},
		"it is silent, and was heard of":                     {func(m *store.Member) { m.Away = true }, at - 9, at - 9},
		"it is silent, and was never heard of":               {func(m *store.Member) { m.Away, m.JoinedMs = true, at-99 }, 0, at - 99},
		"it is silent, and was heard of later":               {func(m *store.Member) { m.Away = true }, at + 9, at},
		"it lost its connection":                             {grace(at-500, 900), at - 700, at - 500},
		"it was heard of after it did":                       {grace(at-500, 900), at - 300, at - 300},
		"it lost it, by a clock that is ahead":               {grace(at+500, 900), 0, at},
		"it lost it just now, and is not shown away yet":     {func(m *store.Member) { grace(at-500, 900)(m); m.Away = false }, 0, at - 500},
		"its server died, which the others knew later":       {func(m *store.Member) { grace(at-500, 900)(m); m.Lost = store.ReasonNodeLost }, 0, at - 500 - testLease.Milliseconds()},
		"its server died, and it was heard of just before":   {func(m *store.Member) { grace(at-500, 900)(m); m.Lost = store.ReasonNodeLost }, at - 600, at - 600},
		"it joined after the time at which it could be lost": {func(m *store.Member) { grace(at-500, 900)(m); m.JoinedMs = at - 100 }, 0, at - 100},
	} {
		t.Run(name, func(t *testing.T) {
			m := ann
			c.change(&m)
			want(t, "seen", SeenMs(&m, at, c.knownMs, testLease), c.want)
		})
	}
}

// One row says how a member that was shown online a minute ago is written now, and when
// clients are told that it was last heard of.
func TestSeenOfAnEvent(t *testing.T) {
	const minute = 60_000
	silent := func(m *store.Member) { m.Away = true; m.Write++ }
	inGrace := func(m *store.Member) {
		m.Away, m.GraceMs, m.UntilMs, m.Lost = true, 50_000, beginMs+minute+30_000, store.ReasonTimeout // lost 20 s ago
		m.Write++
	}
	for _, c := range []struct {
		name   string
		of     store.Member
		before func(w *testRoom)
		change func(m *store.Member)
		tells  int64 // ms after begin; 0: nothing
		seen   int64
	}{
		{name: "another's is online", of: ann, change: func(m *store.Member) { m.Write++ }, seen: minute},
		{name: "another's is silent", of: ann, change: silent, tells: minute - silentAfter.Milliseconds(), seen: minute - silentAfter.Milliseconds()},
		{name: "an own one is silent", of: bob, change: silent, tells: 45_000, seen: 45_000, before: func(w *testRoom) { w.heardMs["b"] = beginMs + 45_000 }},
		{name: "an own one is silent, without a socket", of: bob, change: silent, tells: 0, seen: 0},
		{name: "another's lost its connection", of: ann, change: inGrace, tells: minute - 20_000, seen: minute - 20_000},
		{
			name: "an own one lost its connection", of: bob, change: inGrace, tells: 50_000, seen: 50_000,
			before: func(w *testRoom) { w.Member("b").SeenMs = beginMs + 50_000 },
		},
		{
			name: "one that was shown away lost its connection", of: ann, change: inGrace, tells: 10_000, seen: 10_000,
			before: func(w *testRoom) { m := w.Member("a"); m.Away, m.SeenMs = true, beginMs+10_000 },
		},
		{
			name: "one that was shown away is silent", of: ann, change: silent, tells: 10_000, seen: 10_000,
			before: func(w *testRoom) { m := w.Member("a"); m.Away, m.SeenMs = true, beginMs+10_000 },
		},
		{
			name: "an own one was heard of after it was written so", of: bob, change: silent, tells: minute, seen: minute + 5,
			before: func(w *testRoom) { w.heardMs["b"] = beginMs + minute + 5 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := loadedRoom(t)
			if c.before != nil {
				c.before(w)
			}
			e := event(100, 101, store.IntentUpdate, with(c.of, c.change))
			e.AtMs = beginMs + minute
			w.pass(time.Minute)
			out := w.Receive(e, w.now)
			shown := w.Member(c.of.ConnID)
			want(t, "last seen", w.LastSeenMs(shown)-beginMs, c.seen)
			told := out.Change.LastSeen
			want(t, "clients are told", !told.IsZero(), shown.Away)
			if shown.Away {
				want(t, "what clients are told", told.UnixMilli()-beginMs, c.tells)
			}
		})
	}
}

// Without a limit for silence nobody is taken for silent since then.
func TestSeenWithoutSilence(t *testing.T) {
	w := loadedRoom(t)
	w.settings.SilentAfter = 0
	e := event(100, 101, store.IntentUpdate, with(ann, func(m *store.Member) { m.Away = true; m.Write++ }))
	e.AtMs = beginMs + 60_000
	out := w.Receive(e, w.now)
	want(t, "clients are told", out.Change.LastSeen.UnixMilli(), beginMs)
}

// A load tells the same as the events that it stands for.
func TestSeenOfALoad(t *testing.T) {
	w := loadedRoom(t)
	w.pass(time.Minute)
	away := with(ann, func(m *store.Member) { m.Away = true; m.Write++; m.Seq = 105 })
	d := w.Reload(&Reload{Room: loaded(107, away, bob)}, w.now)
	want(t, "clients are told", d.Changes[0].LastSeen.UnixMilli(), beginMs)
	want(t, "time of the change", d.Changes[0].Time.UnixMilli(), w.now.StoreMs)
	want(t, "bob, who is online", w.LastSeenMs(w.Member("b")), w.now.StoreMs)
	d = w.Reload(&Reload{Room: loaded(108, bob)}, w.now)
	want(t, "a leave tells", d.Changes[0].LastSeen.IsZero(), true)
}
