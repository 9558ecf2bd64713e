package replica

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// rebuildingRoom is one whose store lost ann, which is shown on.
func rebuildingRoom(t *testing.T) *testRoom {
	t.Helper()
	w := loadedRoom(t)
	w.Lost(w.now.Time, true)
	w.Reload(&Reload{Room: loaded(107, bob)}, w.now)
	want(t, "shows", w.shown(), "A3 B3")
	want(t, "state", w.State(), Rebuilding)
	return w
}

// A rebuilding ends with the event that brings the last missing member back.
func TestRebuildingEndsWhenAllAreBack(t *testing.T) {
	w := rebuildingRoom(t)
	out := w.Receive(event(107, 108, store.IntentJoin, cat), w.now)
	want(t, "one joins", show(out.Change), "join cat 100>108 x1")
	want(t, "state", w.State(), Rebuilding)
	out = w.Receive(event(108, 109, store.IntentRestore, with(ann, func(m *store.Member) { m.Epoch++ })), w.now)
	want(t, "one is restored", show(out.Change), "")
	want(t, "missing", missing(w), "")
	want(t, "state", w.State(), Current)
	_, waits := w.RebuildEnds()
	want(t, "it waits", waits, false)
}

// So it does when the last missing member leaves, or a load has it.
func TestRebuildingEndsWhenNobodyIsMissing(t *testing.T) {
	w := rebuildingRoom(t)
	out := w.Receive(event(107, 108, store.IntentLeave, ann), w.now)
	want(t, "the missing one leaves", show(out.Change), "leave(leave) ann 100>108 x0")
	want(t, "state", w.State(), Current)

	w = rebuildingRoom(t)
	w.Reload(&Reload{Room: loaded(108, ann, bob)}, w.now)
	want(t, "shows", w.shown(), "A3 B3")
	want(t, "state", w.State(), Current)
}

// Members of other nodes that nobody restored leave after RebuildTime, this node's own
// ones stay.
func TestRebuildingEndsAfterItsTime(t *testing.T) {
	w := rebuildingRoom(t)
	end, waits := w.RebuildEnds()
	want(t, "it waits", waits, true)
	want(t, "its end", end, w.now.Time.Add(RebuildTime))
	w.pass(RebuildTime - 1)
	w.Reload(&Reload{Room: loaded(108, with(bob, func(m *store.Member) { m.Write-- }))}, w.now)
	want(t, "shows at the last moment", w.shown(), "A3 B3")
	want(t, "state at the last moment", w.State(), Rebuilding)
	end, _ = w.RebuildEnds()
	want(t, "its end, after another sign of the same loss", end, w.now.Time.Add(1))
	w.pass(1)
	d := w.Reload(&Reload{Room: loaded(108)}, w.now)
	want(t, "clients see", show(d.Changes...), "leave(disconnect) ann 100>109 x0")
	want(t, "shows", w.shown(), "B3")
	want(t, "missing", missing(w), "b")
	want(t, "state", w.State(), Current)
	_, waits = w.RebuildEnds()
	want(t, "it waits", waits, false)
	d = w.Reload(&Reload{Room: loaded(108)}, w.now)
	want(t, "clients see", show(d.Changes...), "")
	want(t, "shows", w.shown(), "B3")
	w.Receive(event(108, 109, store.IntentRestore, with(bob, func(m *store.Member) { m.Epoch++ })), w.now)
	want(t, "missing", missing(w), "")
}

// A rebuilding ends not before its first load: a store that lost data may stay away for
// long. Another loss begins it again.
func TestRebuildingBeginsWithALoad(t *testing.T) {
	w := loadedRoom(t)
	w.Lost(w.now.Time, true)
	w.pass(time.Hour)
	want(t, "state before the load", w.State(), Rebuilding)
	_, waits := w.RebuildEnds()
	want(t, "it waits for missing members", waits, false)
	w.Receive(event(100, 101, store.IntentUpdate, ann), w.now)
	want(t, "state before the load, after an event", w.State(), Rebuilding)
	w.Reload(&Reload{Room: loaded(107, bob)}, w.now)
	want(t, "shows", w.shown(), "A3 B3")
	w.pass(RebuildTime - 1)
	w.Lost(w.now.Time, false)
	w.pass(time.Hour)
	w.Receive(event(107, 108, store.IntentRestore, ann), w.now)
	want(t, "state when all are back, before the load", w.State(), Rebuilding)
	w.Reload(&Reload{Room: loaded(109, ann)}, w.now)
	want(t, "shows", w.shown(), "A3 B3")
	end, _ := w.RebuildEnds()
	want(t, "its end", end, w.now.Time.Add(RebuildTime))
}

// A loss that is only likely shows missing members for DoubtTime, unless word of it comes.
func TestALikelyLoss(t *testing.T) {
	otherRecord := func() *Reload {
		l := &Reload{Room: loaded(107, bob)}
		l.Born = "other"
		return l
	}
	w := loadedRoom(t)
	w.Reload(otherRecord(), w.now)
	want(t, "shows", w.shown(), "A3 B3")
	end, _ := w.RebuildEnds()
	want(t, "its end", end, w.now.Time.Add(DoubtTime))
	w.pass(DoubtTime)
	w.Reload(otherRecord(), w.now)
	want(t, "shows after that", w.shown(), "B3")
	want(t, "state", w.State(), Current)

	w = loadedRoom(t)
	w.Reload(otherRecord(), w.now)
	w.pass(DoubtTime - 1)
	l := otherRecord()
	l.DataLoss = true
	w.Reload(l, w.now)
	want(t, "shows", w.shown(), "A3 B3")
	end, _ = w.RebuildEnds()
	want(t, "its end when the loss is certain", end, w.now.Time.Add(RebuildTime))
}

// That the store lost data is remembered for LossTime, and only when it is sure.
func TestLossIsRemembered(t *testing.T) {
	w := loadedRoom(t)
	want(t, "before", w.LostData(w.now.Time), false)
	w.Lost(w.now.Time, false)
	want(t, "when it is likely", w.LostData(w.now.Time), false)
	w.Lost(w.now.Time, true)
	want(t, "when it is sure", w.LostData(w.now.Time.Add(LossTime-1)), true)
	want(t, "later", w.LostData(w.now.Time.Add(LossTime)), false)
	w.pass(time.Minute) // the store does not answer for so long
	w.Reload(&Reload{Room: loaded(101, ann)}, w.now)
	want(t, "at the first load after it", w.LostData(w.now.Time.Add(LossTime-1)), true)
	w.pass(LossTime)
	w.Reload(&Reload{Room: loaded(102, ann)}, w.now)
	want(t, "at a later load", w.LostData(w.now.Time), false)
}

// What was missed makes a room suspect that was current, and no other.
func TestSuspect(t *testing.T) {
	w := loadedRoom(t)
	w.Suspect()
	want(t, "a current room", w.State(), Suspect)
	w.Reload(&Reload{Room: loaded(100, ann, bob)}, w.now)
	want(t, "after a load", w.State(), Current)
	w.Lost(w.now.Time, true)
	w.Suspect()
	want(t, "a room that is to be rebuilt", w.State(), Rebuilding)
}

// After the store went back the numbers of clients go on from where they were.
func TestNumbersGoOnAfterALoss(t *testing.T) {
	w := loadedRoom(t)
	w.Reload(&Reload{Room: loaded(50, ann, bob)}, w.now)
	want(t, "loaded", w.Loaded(), store.Position{Seq: 50, Born: "born"})
	want(t, "seq of clients", w.Seq(), int64(100))
	want(t, "position for the store", w.Position(), store.Position{Seq: 100, Born: "born"})
	want(t, "one who stands at 100 has missed nothing", w.IsCurrent(100), true)
	out := w.Receive(event(50, 51, store.IntentJoin, cat), w.now)
	want(t, "an event", show(out.Change), "join cat 100>101 x1")
	out = w.Receive(event(51, 52, store.IntentLeave, cat), w.now)
	want(t, "the next event", show(out.Change), "leave(leave) cat 101>102 x0")
	out = w.Receive(event(52, 300, store.IntentJoin, with(cat, func(m *store.Member) { m.Life = "D" })), w.now)
	want(t, "one far above", show(out.Change), "join cat 102>300 x1")
}

// A leave that a load shows may need a number that the store has not given yet. The store goes
// on above it, and does not take that for a loss.
func TestAPositionAboveTheStore(t *testing.T) {
	w := loadedRoom(t)
	w.Lost(w.now.Time, true)
	w.Reload(&Reload{Room: loaded(100, bob)}, w.now) // ann is missing
	want(t, "position for the store", w.Position(), store.Position{Seq: 100, Born: "born"})
	w.pass(RebuildTime)
	d := w.Reload(&Reload{Room: loaded(100, bob)}, w.now)
	want(t, "changes", show(d.Changes...), "leave(disconnect) ann 100>101 x0")
	want(t, "position for the store", w.Position(), store.Position{Seq: 101})
	out := w.Receive(event(100, 102, store.IntentJoin, cat), w.now)
	want(t, "the next event", show(out.Change), "join cat 101>102 x1")
	want(t, "position for the store", w.Position(), store.Position{Seq: 102, Born: "born"})
}

// Clients that were told a number which a room then lost are never told it again: what
// they may have been told counts, not only what was shown.
func TestNumbersAreNotUsedTwice(t *testing.T) {
	w := loadedRoom(t)
	w.Reload(&Reload{Room: loaded(150, ann, bob)}, w.now)
	want(t, "seq of clients", w.Seq(), int64(150))
	want(t, "one who stands at 100 has missed nothing", w.IsCurrent(100), true)
	w.Reload(&Reload{Room: loaded(50, ann, bob)}, w.now)
	want(t, "seq of clients", w.Seq(), int64(150))
	out := w.Receive(event(50, 51, store.IntentJoin, cat), w.now)
	want(t, "an event", show(out.Change), "join cat 100>151 x1")
	d := w.Reload(&Reload{Room: loaded(60, ann, bob)}, w.now)
	want(t, "a load", show(d.Changes...), "leave(disconnect) cat 151>152 x0")
}
