package replica

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// One row is an event that comes to a replica at position 100 that shows ann (of another
// node) and bob (this node's own): what clients see of it, whether it is part of the
// replica then, what the replica shows and how far it trusts itself.
func TestReceive(t *testing.T) {
	const join, update, resume, restore, leave = store.IntentJoin, store.IntentUpdate, store.IntentResume, store.IntentRestore, store.IntentLeave
	const both = "A3 B3"
	patched := func(m store.Member) store.Member {
		m.Write++
		m.State = []byte(`{"x":1}`)
		return m
	}
	next := func(intent store.Intent, m store.Member) *store.Event { return event(100, 101, intent, m) }
	changed := func(e *store.Event, change func(e *store.Event)) *store.Event {
		change(e)
		return e
	}
	otherRecord := func(e *store.Event) { e.Born = "other" }
	reset := func(e *store.Event) { e.Born, e.Reset = "other", true }
	older := func(m *store.Member) { m.Epoch-- }
	nextLife := func(m *store.Member) { m.Life, m.Epoch = "next", m.Epoch+1 }

	for _, c := range []struct {
		name    string
		before  func(w *testRoom)
		e       *store.Event
		see     string
		taken   bool
		stale   bool
		shows   string
		state   State
		sureOf  bool // that the store lost data
		remains bool // the position stays what it was
	}{
		// The next event.
		{name: "somebody joins", e: next(join, cat), see: "join cat 100>101 x1", taken: true, shows: "A3 B3 C1"},
		{name: "ann has a new state", e: next(update, patched(ann)), see: "update ann 100>101 x1", taken: true, shows: both},
		{name: "an update changes nothing", e: next(update, ann), see: "update ann 100>101 x1", taken: true, shows: both},
		{
			name: "ann joins again in the same life", e: next(join, with(ann, func(m *store.Member) { m.Epoch++ })),
			see: "rejoin ann 100>101 x1", taken: true, shows: "A4 B3",
		},
		{name: "ann's join is shown already", e: next(join, ann), taken: true, shows: both},
		{name: "ann begins another life", e: next(join, with(ann, nextLife)), see: "rejoin ann 100>101 x1", taken: true, shows: "B3 next4"},
		{
			name: "ann is restored in another life", e: next(restore, with(ann, nextLife)),
			see: "rejoin ann 100>101 x1", taken: true, shows: "B3 next4",
		},
		{
			name: "this node restored bob in another life", before: func(w *testRoom) { w.nextLife["b"] = "next" },
			e: next(restore, with(bob, nextLife)), taken: true, shows: "A3 next4",
		},
		{name: "a resume that clients need not see", e: next(resume, with(ann, func(m *store.Member) { m.Epoch++ })), taken: true, shows: "A4 B3"},
		{
			name: "a resume with a new state", e: next(resume, with(patched(ann), func(m *store.Member) { m.Epoch++ })),
			see: "update ann 100>101 x1", taken: true, shows: "A4 B3",
		},
		{
			name: "a resume of one that was not shown", e: next(resume, cat),
			see: "join cat 100>101 x1", taken: true, shows: "A3 B3 C1",
		},
		{name: "the store has back what is shown", e: next(restore, ann), taken: true, shows: both},
		{name: "ann leaves", e: next(leave, ann), see: "leave(leave) ann 100>101 x0", taken: true, shows: "B3"},
		{name: "somebody leaves who is not shown", e: next(leave, cat), taken: true, shows: both},
		{name: "the writes between were quiet", e: event(90, 150, leave, ann), see: "leave(leave) ann 100>150 x0", taken: true, shows: "B3"},
		{
			name: "nothing was missed after all", before: func(w *testRoom) { w.Suspect() },
			e: next(join, cat), see: "join cat 100>101 x1", taken: true, shows: "A3 B3 C1",
		},

		// Known events.
		{name: "it was in the load", e: event(99, 100, join, cat), taken: true, shows: both},
		{name: "one from before the load", e: event(89, 90, join, ann), taken: true, shows: both},
		{name: "a leave from before the load", e: event(79, 80, leave, cat), taken: true, shows: both},
		{
			name: "ann left before the load, which has her", e: event(79, 80, leave, ann), shows: both, state: Suspect, remains: true,
		},

		// Gaps.
		{name: "an event was missed", e: event(101, 102, join, cat), shows: both, state: Suspect, remains: true},
		{name: "an event before a leave was missed", e: event(101, 102, leave, ann), shows: both, state: Suspect, remains: true},
		{name: "the room has another record", e: changed(next(join, cat), otherRecord), shows: both, state: Suspect, remains: true},
		{
			name: "the room has another record that counts from below", e: changed(event(49, 50, join, cat), otherRecord),
			shows: both, state: Suspect, remains: true,
		},
		{name: "a write found that the store lost data", e: changed(next(join, cat), reset), shows: both, state: Rebuilding, remains: true},
		{
			name: "the connection is another user's", e: next(join, with(ann, func(m *store.Member) { m.UserID, m.Life = "amy", "amy" })),
			shows: both, state: Suspect, remains: true,
		},
		{
			name: "another user left, of that connection", e: next(leave, with(ann, func(m *store.Member) { m.UserID = "amy" })),
			see: "leave(leave) amy 100>101 x0", taken: true, shows: "B3",
		},

		// The store went back.
		{
			name: "a number comes twice", before: func(w *testRoom) { w.Receive(next(join, cat), w.now) },
			e: next(update, ann), shows: "A3 B3 C1", state: Rebuilding, sureOf: true, remains: true,
		},
		{
			name: "the numbers go backwards", before: func(w *testRoom) { w.Receive(event(100, 105, join, cat), w.now) },
			e: event(101, 104, leave, ann), shows: "A3 B3 C1", state: Rebuilding, sureOf: true, remains: true,
		},
		{
			name: "the numbers of another record begin below", before: func(w *testRoom) { w.Receive(event(100, 105, join, cat), w.now) },
			e: changed(event(49, 50, join, cat), otherRecord), shows: "A3 B3 C1", state: Suspect, remains: true,
		},
		{
			name: "a write from before the one that is shown", e: next(update, with(ann, func(m *store.Member) { m.Write-- })),
			shows: both, state: Rebuilding, sureOf: true,
		},
		{name: "an epoch from before the one that is shown", e: next(restore, with(ann, older)), shows: both, state: Rebuilding, sureOf: true},
		{
			name: "another owner counts its own writes", e: next(update, with(ann, func(m *store.Member) { m.Owner, m.Write = "third", 1 })),
			see: "update ann 100>101 x1", taken: true, shows: both,
		},
		{
			name: "an older life left that the store had again", e: next(leave, with(ann, func(m *store.Member) { m.Life = "before" })),
			shows: both, state: Rebuilding, sureOf: true,
		},

		// Lives that ended.
		{
			name: "a life is written that left", before: func(w *testRoom) { w.Receive(next(leave, ann), w.now) },
			e: event(101, 102, restore, ann), stale: true, shows: "B3", state: Rebuilding, sureOf: true,
		},
		{
			name: "that was told in a gap", before: func(w *testRoom) { w.NoteLeave(next(leave, cat), w.now.Time) },
			e: next(join, cat), stale: true, shows: both, state: Rebuilding, sureOf: true,
		},
		{
			name: "a life is written that this node ended before",
			before: func(w *testRoom) {
				w.pass(-2 * time.Millisecond)
				w.ends(ann)
				w.pass(2 * time.Millisecond)
			},
			e: next(update, patched(ann)), stale: true, shows: both, state: Rebuilding, sureOf: true,
		},
		{
			name: "an event is on its way while this node ends the life", before: func(w *testRoom) { w.ends(ann) },
			e: next(update, patched(ann)), see: "update ann 100>101 x1", taken: true, shows: both,
		},
		{
			name: "a join is on its way while this node ends the life", before: func(w *testRoom) { w.ends(cat) },
			e: next(join, cat), taken: true, shows: both,
		},
		{
			name: "it is still on its way later",
			before: func(w *testRoom) {
				w.ends(ann)
				w.pass(time.Second)
			},
			e: next(update, patched(ann)), see: "update ann 100>101 x1", taken: true, shows: both,
		},
		{
			name: "nobody remembers that the life ended",
			before: func(w *testRoom) {
				w.pass(-TombstoneTime - 1)
				w.ends(cat)
				w.pass(TombstoneTime + 1)
			},
			e: next(join, cat), see: "join cat 100>101 x1", taken: true, shows: "A3 B3 C1",
		},
		{
			name: "another life of the connection goes on", before: func(w *testRoom) { w.ends(ann) },
			e: next(join, with(ann, nextLife)), see: "rejoin ann 100>101 x1", taken: true, shows: "B3 next4",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := loadedRoom(t)
			if c.before != nil {
				c.before(w)
			}
			at := w.Loaded()
			out := w.Receive(c.e, w.now)
			if c.state == Loading {
				c.state = Current
			}
			want(t, "clients see", show(out.Change), c.see)
			want(t, "taken", out.Taken, c.taken)
			want(t, "stale", out.Stale, c.stale)
			want(t, "shows", w.shown(), c.shows)
			want(t, "state", w.State(), c.state)
			want(t, "the store is sure to have lost data", w.LostData(w.now.Time), c.sureOf)
			if c.remains {
				want(t, "position", w.Loaded(), at)
			}
		})
	}
}

// The first event of a record follows an empty replica, whatever it knew before.
func TestReceiveFirstOfARecord(t *testing.T) {
	for name, c := range map[string]struct {
		seq   int64
		reset bool
		taken bool
	}{
		"above what was known":                    {seq: 101, taken: true},
		"above it, since another record was lost": {seq: 101, reset: true, taken: true},
		"not above it":                            {seq: 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRoom()
			w.Load(loaded(100), w.now.Time, w.now)
			e := event(0, c.seq, store.IntentJoin, cat)
			e.Born, e.Reset = "other", c.reset
			want(t, "taken", w.Receive(e, w.now).Taken, c.taken)
			want(t, "part of the replica", w.Len() == 1 && w.Loaded() == e.Position, c.taken)
		})
	}
	w := loadedRoom(t)
	e := event(0, 101, store.IntentJoin, cat)
	e.Born = "other"
	want(t, "taken by one with members", w.Receive(e, w.now).Taken, false)
}

// A leave is remembered wherever it comes: as the next event, in a gap, from before the
// load. No other event is.
func TestLeaveIsRemembered(t *testing.T) {
	for name, e := range map[string]*store.Event{
		"next":            event(100, 101, store.IntentLeave, ann),
		"of nobody shown": event(100, 101, store.IntentLeave, cat),
		"in a gap":        event(105, 106, store.IntentLeave, ann),
		"before the load": event(79, 80, store.IntentLeave, cat),
	} {
		t.Run(name, func(t *testing.T) {
			w := loadedRoom(t)
			w.Receive(e, w.now)
			got, ok := w.tombstones.Of(e.Member.Life, w.now.Time)
			got.at, got.heard = time.Time{}, false
			want(t, "remembered", ok, true)
			want(t, "tombstone", got, Tombstone{
				Life: e.Member.Life, Room: "room", ConnID: e.Member.ConnID, UserID: e.Member.UserID, Owner: e.Member.Owner,
				Reason: store.ReasonLeave, Epoch: e.Member.Epoch,
			})
		})
	}
	w := loadedRoom(t)
	w.Receive(event(100, 101, store.IntentUpdate, ann), w.now)
	w.Receive(event(105, 106, store.IntentUpdate, ann), w.now)
	want(t, "tombstones of updates", w.tombstones.Len(), 0)
}

// Another node says that a life ended which the store did not have. That counts if the node
// was its owner, as far as is known here.
func TestNoteEnd(t *testing.T) {
	told := EndOf("", &ann, store.ReasonLeave)
	for name, c := range map[string]struct {
		change func(t *Tombstone, w *testRoom)
		due    bool
	}{
		"it is shown":               {func(*Tombstone, *testRoom) {}, true},
		"nothing is shown":          {func(t *Tombstone, _ *testRoom) { t.ConnID = "c" }, false},
		"another life":              {func(t *Tombstone, _ *testRoom) { t.Life = "A1" }, false},
		"of another owner":          {func(t *Tombstone, _ *testRoom) { t.Owner = "third" }, false},
		"it is this node's":         {func(_ *Tombstone, w *testRoom) { w.owned["a"] = true }, false},
		"it is known to have ended": {func(_ *Tombstone, w *testRoom) { w.ends(ann) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, end := loadedRoom(t), told
			c.change(&end, w)
			before := w.tombstones.Len()
			want(t, "a load is due", w.NoteEnd(end, w.now.Time), c.due)
			if !c.due {
				want(t, "tombstones", w.tombstones.Len(), before)
				return
			}
			w.Lost(w.now.Time, true)
			d := w.Reload(&Reload{Room: loaded(101, bob)}, w.now)
			want(t, "clients see", show(d.Changes...), "leave(leave) ann 100>101 x0")
			want(t, "state", w.State(), Current)
			got, _ := w.tombstones.Of("A", w.now.Time)
			want(t, "room and user", got.Room+" "+got.UserID, "room ann")
		})
	}
}

// A node that ended a life hears the leave after that: what is written later is stale
// then, whatever the time.
func TestLeaveOfThisNodeIsHeard(t *testing.T) {
	w := loadedRoom(t)
	w.ends(ann)
	out := w.Receive(event(100, 101, store.IntentLeave, ann), w.now)
	want(t, "clients see", show(out.Change), "leave(leave) ann 100>101 x0")
	out = w.Receive(event(101, 102, store.IntentRestore, ann), w.now)
	want(t, "stale", out.Stale, true)
}

// The count of a user's connections is the store's in a large room, and what is shown
// where the two differ.
func TestUserConnsOfAnEvent(t *testing.T) {
	const stored = 77
	for name, c := range map[string]struct {
		others int
		before func(w *testRoom)
		want   int
	}{
		"small room":       {others: fewMembers - 2, want: 2},
		"large room":       {others: fewMembers - 1, want: stored},
		"with one missing": {others: 40, before: func(w *testRoom) { w.loseOne("0") }, want: 2},
		"rebuilding":       {others: 40, before: func(w *testRoom) { w.Lost(w.now.Time, true) }, want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRoom()
			members := []store.Member{ann}
			for i := range c.others - 1 {
				members = append(members, with(cat, func(m *store.Member) { m.ConnID, m.Life = string(rune('0'+i)), string(rune('0'+i)) }))
			}
			w.Load(loaded(100, members...), w.now.Time, w.now)
			if c.before != nil {
				c.before(w)
			}
			want(t, "state", w.State() == Rebuilding, name == "rebuilding")
			out := w.Receive(event(100, 101, store.IntentJoin, with(ann, func(m *store.Member) { m.ConnID, m.Life = "a2", "A2" })), w.now)
			want(t, "connections", out.Change.UserConns, c.want)
		})
	}
}

// loseOne loads the room again without one member, which is this node's own.
func (w *testRoom) loseOne(connID string) {
	w.owned[connID] = true
	var rest []store.Member
	for m := range w.All() {
		if m.ConnID != connID {
			rest = append(rest, m.Member)
		}
	}
	w.Reload(&Reload{Room: loaded(100, rest...)}, w.now)
}
