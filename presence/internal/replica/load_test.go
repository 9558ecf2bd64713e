package replica

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// The first load shows what it has, but for lives that have ended.
func TestFirstLoad(t *testing.T) {
	w := newRoom()
	want(t, "state before", w.State(), Loading)
	w.Suspect()
	w.Lost(w.now.Time, false)
	want(t, "state before, whatever is told", w.State(), Loading)
	w.ends(bob)
	w.pass(1)
	stale := w.Load(loaded(100, ann, bob, cat), w.now.Time, w.now)
	want(t, "shows", w.shown(), "A3 C1")
	want(t, "stale", len(stale) == 1 && stale[0].Life == "B", true)
	want(t, "seq", w.Seq(), int64(100))
	want(t, "position", w.Position(), store.Position{Seq: 100, Born: "born"})
	want(t, "state", w.State(), Current)
	want(t, "the store is sure to have lost data", w.LostData(w.now.Time), true)
	want(t, "one who stands at 100 has missed nothing", w.IsCurrent(100), true)
	want(t, "one who stands at 99 has", w.IsCurrent(99), false)
	want(t, "nobody stands at 101", w.IsCurrent(101), false)
	_, waits := w.RebuildEnds()
	want(t, "a rebuilding waits", waits, false)

	w = newRoom()
	w.Load(loaded(100, ann), w.now.Time, w.now)
	want(t, "the store is sure to have lost data, with no such sign", w.LostData(w.now.Time), false)

	w = newRoom()
	began := w.now.Time
	w.pass(1)
	w.ends(bob)
	want(t, "stale", len(w.Load(loaded(100, ann, bob), began, w.now)), 1)
	want(t, "the store is sure to have lost data, when a life ended during the load", w.LostData(w.now.Time), false)
}

// One row is a load of a room that is shown with ann, of another node, and bob, this
// node's own.
func TestReload(t *testing.T) {
	older := func(m *store.Member) { m.Write-- }
	patched := with(ann, func(m *store.Member) { m.State, m.Write, m.Seq = []byte(`{"x":1}`), 6, 104 })
	otherRecord := func(l *Reload) { l.Born = "other" }
	dead := func(l *Reload) { l.Dead = map[string]bool{"there": true} }
	heldLeave := func(l *Reload) { l.Held = []store.Event{*event(106, 107, store.IntentLeave, ann)} }
	laterLeave := func(l *Reload) { l.Held = []store.Event{*event(107, 108, store.IntentLeave, ann)} }
	lost := func(w *testRoom) { w.Lost(w.now.Time, true) }
	both := func(change ...func(l *Reload)) func(l *Reload) {
		return func(l *Reload) {
			for _, f := range change {
				f(l)
			}
		}
	}

	for _, c := range []struct {
		name    string
		before  func(w *testRoom)
		load    store.Room
		with    func(l *Reload)
		see     string
		shows   string
		missing string
		stale   string
		state   State
		sureOf  bool // that the store lost data
	}{
		// The store is as it should be.
		{name: "nothing changed", load: loaded(100, ann, bob), shows: "A3 B3"},
		{
			name: "something was missed, and found now", before: func(w *testRoom) { w.Suspect() },
			load: loaded(107, patched, bob, cat), see: "join cat 100>101 x1, update ann 101>104 x1", shows: "A3 B3 C1",
		},
		{name: "ann left", load: loaded(107, bob), see: "leave(disconnect) ann 100>101 x0", shows: "B3"},
		{
			name: "ann left, and her leave waits", load: loaded(107, bob), with: heldLeave,
			see: "leave(leave) ann 100>101 x0", shows: "B3",
		},
		{
			name: "ann left by this node's hand", before: func(w *testRoom) { w.ends(ann) }, load: loaded(107, bob),
			see: "leave(kicked) ann 100>101 x0", shows: "B3",
		},
		{
			name: "this node restored bob in another life", before: func(w *testRoom) { w.nextLife["b"] = "next" },
			load: loaded(107, ann, with(bob, func(m *store.Member) { m.Life, m.Epoch, m.Seq = "next", m.Epoch+1, 105 })), shows: "A3 next4",
		},
		{
			name: "ann began another life", load: loaded(107, bob, with(ann, func(m *store.Member) { m.Life, m.Epoch, m.Seq = "next", 4, 105 })),
			see: "rejoin ann 100>105 x1", shows: "B3 next4",
		},
		{
			name: "the connection is another user's",
			load: loaded(107, bob, with(ann, func(m *store.Member) { m.UserID, m.Life, m.Seq = "amy", "amy", 105 })),
			see:  "leave(disconnect) ann 100>101 x0, join amy 101>105 x1", shows: "B3 amy3",
		},
		{
			name: "all have left, and somebody joined", load: loaded(107, bob, with(cat, func(m *store.Member) { m.Seq = 107 })),
			with: both(otherRecord, dead), see: "leave(disconnect) ann 100>101 x0, join cat 101>107 x1", shows: "B3 C1",
		},

		// Members of this node stay until it is known what became of them.
		{name: "the load lacks an own one", load: loaded(107, ann), shows: "A3 B3", missing: "b"},
		{
			name: "it has an own one in an older state", load: loaded(107, ann, with(bob, older)),
			shows: "A3 B3", missing: "b", state: Rebuilding, sureOf: true,
		},
		{
			name: "this node ended its life", before: func(w *testRoom) { w.ends(bob) }, load: loaded(107, ann),
			see: "leave(kicked) bob 100>101 x0", shows: "A3",
		},
		{
			name: "another node owns it", load: loaded(107, ann, with(bob, func(m *store.Member) { m.Owner, m.Epoch = "there", 4 })),
			shows: "A3 B4",
		},

		// The store lost data: those of others are kept for their owners to restore them.
		{
			name: "the store is known to have lost data", load: loaded(107, bob), with: func(l *Reload) { l.DataLoss = true },
			shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true,
		},
		{name: "the room is known to have lost data", before: lost, load: loaded(107, bob), shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true},
		{name: "it lost no member", before: lost, load: loaded(107, ann, bob), shows: "A3 B3", sureOf: true},
		{name: "the numbers went back", load: loaded(99, bob), shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true},
		{name: "another record counts from below", load: loaded(9, bob), with: otherRecord, shows: "A3 B3", missing: "a", state: Rebuilding},
		{name: "another record counts from above", load: loaded(107, bob), with: otherRecord, shows: "A3 B3", missing: "a", state: Rebuilding},
		{name: "there is no record", load: store.Room{}, shows: "A3 B3", missing: "a b", state: Rebuilding},
		{
			name: "it has ann in an older state", load: loaded(107, bob, with(ann, older)),
			shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true,
		},
		{
			name: "it has ann in an older state, and her owner is dead", load: loaded(107, bob, with(ann, func(m *store.Member) { m.Epoch-- })),
			with: dead, shows: "A2 B3", sureOf: true,
		},
		{
			name: "ann's owner is dead", before: lost, load: loaded(107, bob), with: dead,
			see: "leave(disconnect) ann 100>101 x0", shows: "B3", sureOf: true,
		},
		{
			name: "ann's leave waits", before: lost, load: loaded(107, bob), with: heldLeave,
			see: "leave(leave) ann 100>101 x0", shows: "B3", sureOf: true,
		},
		{
			name: "ann's leave waits, and follows the load", before: lost, load: loaded(107, bob), with: laterLeave,
			shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true,
		},
		{
			name: "another life's leave waits", before: lost, load: loaded(107, bob),
			with: func(l *Reload) {
				l.Held = []store.Event{
					*event(107, 108, store.IntentUpdate, ann),
					*event(108, 109, store.IntentLeave, with(ann, func(m *store.Member) { m.Life = "before" })),
					*event(109, 110, store.IntentLeave, with(ann, func(m *store.Member) { m.ConnID = "a2" })),
				}
			},
			shows: "A3 B3", missing: "a", state: Rebuilding, sureOf: true,
		},
		{
			name: "it is known that ann's life ended", before: func(w *testRoom) { lost(w); w.ends(ann) }, load: loaded(107, bob),
			see: "leave(kicked) ann 100>101 x0", shows: "B3", sureOf: true,
		},

		// Lives that ended are not shown, and have to be removed again.
		{
			name: "the store has a life again that ended", before: func(w *testRoom) { w.ends(cat); w.pass(1) }, load: loaded(107, bob, cat),
			shows: "A3 B3", missing: "a", stale: "C", state: Rebuilding, sureOf: true,
		},
		{
			name: "that ended before the load began", before: func(w *testRoom) { w.ends(cat); w.pass(1) }, load: loaded(107, ann, bob, cat),
			with: func(l *Reload) { l.Began = time.Unix(1000, 1) }, shows: "A3 B3", stale: "C", sureOf: true,
		},
		{
			name: "that ended while the load was under way", before: func(w *testRoom) { w.ends(ann); w.pass(1) }, load: loaded(107, ann),
			with: func(l *Reload) { l.Began = time.Unix(1000, 0) }, see: "leave(kicked) ann 100>101 x0", shows: "B3", missing: "b", stale: "A",
		},
		{
			name: "it has a life again that ended, and another is shown", before: func(w *testRoom) { w.ends(with(bob, func(m *store.Member) { m.Life = "before" })) },
			load: loaded(107, ann, with(bob, func(m *store.Member) { m.Life = "before" })), shows: "A3 B3", missing: "b", stale: "before",
			state: Rebuilding, sureOf: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := loadedRoom(t)
			if c.before != nil {
				c.before(w)
			}
			l := &Reload{Room: c.load}
			if c.with != nil {
				c.with(l)
			}
			d := w.Reload(l, w.now)
			if c.state == Loading {
				c.state = Current
			}
			want(t, "clients see", show(d.Changes...), c.see)
			want(t, "shows", w.shown(), c.shows)
			want(t, "missing", missing(w), c.missing)
			want(t, "stale", lives(d.Stale), c.stale)
			want(t, "state", w.State(), c.state)
			want(t, "the store is sure to have lost data", w.LostData(w.now.Time), c.sureOf)
			want(t, "position", w.Loaded(), l.Position)
		})
	}
}

func missing(w *testRoom) string {
	var list []string
	for m := range w.All() {
		if w.Missing(m.ConnID) {
			list = append(list, m.ConnID)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func lives(members []store.Member) string {
	var list []string
	for i := range members {
		list = append(list, members[i].Life)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// The counts of a load's changes are those after each of them.
func TestUserConnsOfALoad(t *testing.T) {
	second := with(ann, func(m *store.Member) { m.ConnID, m.Life = "a2", "A2" })
	third := with(ann, func(m *store.Member) { m.ConnID, m.Life, m.Seq = "a3", "A3", 105 })
	w := newRoom()
	w.Load(loaded(100, ann, second), w.now.Time, w.now)
	d := w.Reload(&Reload{Room: loaded(107, second, third)}, w.now)
	want(t, "clients see", show(d.Changes...), "leave(disconnect) ann 100>101 x1, join ann 101>105 x2")
}

// The owners of members that a load lacks are those that are asked for, when the store
// lost data: not of those that stand, nor of this node's own.
func TestOwnersOfMissingMembers(t *testing.T) {
	second := with(ann, func(m *store.Member) { m.ConnID, m.Life = "a2", "A2" })
	dan := with(cat, func(m *store.Member) { m.ConnID, m.Life, m.Owner, m.Write = "d", "D", "third", 2 })
	eve := with(cat, func(m *store.Member) { m.ConnID, m.Life, m.Owner = "e", "E", "fourth" })
	for name, c := range map[string]struct {
		loss bool
		load store.Room
		want string
	}{
		"no loss":                  {load: loaded(107)},
		"all are lost":             {loss: true, load: loaded(107), want: "fourth there third"},
		"one is left":              {loss: true, load: loaded(107, eve), want: "there third"},
		"one is in an older state": {load: loaded(107, ann, second, eve, with(dan, func(m *store.Member) { m.Write-- })), want: "third"},
		"the numbers went back":    {load: loaded(99, ann, second, dan), want: "fourth"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRoom("b")
			w.Load(loaded(100, ann, second, bob, dan, eve), w.now.Time, w.now)
			got := w.Owners(&Reload{Room: c.load, DataLoss: c.loss}, w.now.Time)
			slices.Sort(got)
			want(t, "owners", strings.Join(got, " "), c.want)
		})
	}
}

// A member that a load lacks was removed, unless the store lost data: its life has ended,
// and does not come back.
func TestLeaveOfALoadIsRemembered(t *testing.T) {
	held := []store.Event{*event(106, 107, store.IntentLeave, ann)}
	for name, c := range map[string]struct {
		loss, dead bool
		held       []store.Event
		want       bool
	}{
		"the load lacks it":                         {want: true},
		"its leave waits, and says it by itself":    {held: held},
		"the store lost it, and its owner is dead":  {loss: true, dead: true},
		"the store lost it, and its owner is there": {loss: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := loadedRoom(t)
			w.Reload(&Reload{Room: loaded(107, bob), DataLoss: c.loss, Dead: map[string]bool{"there": c.dead}, Held: c.held}, w.now)
			got, ok := w.tombstones.Of("A", w.now.Time)
			want(t, "remembered", ok, c.want)
			if got.at = (time.Time{}); ok {
				want(t, "tombstone", got, Tombstone{
					Life: "A", Room: "room", ConnID: "a", UserID: "ann", Owner: "there", Reason: store.ReasonDisconnect, Epoch: ann.Epoch,
				})
			}
		})
	}
}
