package topology

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
)

func TestOffsetIsLearned(t *testing.T) {
	at := time.UnixMilli(1_000_000)
	after := func(ms int64) time.Time { return at.Add(time.Duration(ms) * time.Millisecond) }
	var o offset
	for _, step := range []struct {
		took, shown, want int64
	}{
		{10, 5005, 5000},   // the middle, at first
		{2000, 6000, 5000}, // took long, and says nothing new
		{10, 5008, 5000},   // within what it was
		{10, 5030, 5020},   // the clock has drifted
		{10, -3000, -3000}, // it was set back
	} {
		o = o.learn(at, after(step.took), at.UnixMilli()+step.shown)
		if !o.known || o.Ms != step.want {
			t.Errorf("%+v: %+v", step, o)
		}
	}
}

func TestClocksAreCompared(t *testing.T) {
	clock := func(ms int64) offset { return offset{true, ms} }
	l := laidOut(
		Master{Addr: "a", Ahead: clock(2000)}, Master{Addr: "b", Ahead: clock(7000)}, Master{Addr: "c", Ahead: clock(2050)}, Master{Addr: "d"},
	)
	middle := func(i int) uint16 { return uint16(keyslot.Count/8 + i*keyslot.Count/4) }
	l.SetClocks(middle(0))
	for i, want := range []int64{0, 5000, 0, 0} {
		if got := l.Shift(middle(i)); got != want {
			t.Errorf("master %d is %d ms ahead, want %d", i, got, want)
		}
	}
	l.SetClocks(middle(1))
	for i, want := range []int64{-5000, 0, -4950, 0} {
		if got := l.Shift(middle(i)); got != want {
			t.Errorf("master %d is %d ms ahead of the second, want %d", i, got, want)
		}
	}
	l.SetClocks(middle(3)) // of whose clock nothing is known
	if l.Shifts != nil {
		t.Errorf("shifts %v", l.Shifts)
	}
	l = laidOut(Master{Addr: "a", Ahead: clock(2000)}, Master{Addr: "b", Ahead: clock(2099)})
	l.SetClocks(0)
	if l.Shifts != nil {
		t.Errorf("clocks in step: shifts %v", l.Shifts)
	}
}

// What was learned of a clock lasts while its server does not answer, and not beyond
// its end.
func TestClocksAreRemembered(t *testing.T) {
	before := laidOut(Master{Addr: "a", Run: "1", Major: 7, Ahead: offset{true, 70}})
	silent := laidOut(Master{Addr: "a"})
	silent.inherit(before)
	if got := silent.Of(0); got != before.Of(0) {
		t.Errorf("%+v", got)
	}
	now := time.UnixMilli(1_000_000)
	same := statement{run: "1", clockMs: now.UnixMilli() + 60, asked: now, got: now.Add(100 * time.Millisecond)}
	if got := same.master("a", silent).Ahead.Ms; got != 60 {
		t.Errorf("a better answer: %d", got)
	}
	same.run = "2"
	if got := same.master("a", silent).Ahead.Ms; got != 10 {
		t.Errorf("another server: %d", got)
	}
}

func TestShardedNeedsEveryMaster(t *testing.T) {
	for name, c := range map[string]struct {
		l    *Layout
		want bool
	}{
		"all new":         {laidOut(Master{Addr: "a", Major: 7}, Master{Addr: "b", Major: 8}), true},
		"one old":         {laidOut(Master{Addr: "a", Major: 7}, Master{Addr: "b", Major: 6}), false},
		"one not known":   {laidOut(Master{Addr: "a", Major: 7}, Master{Addr: "b"}), true},
		"nothing known":   {laidOut(Master{Addr: "a"}), false},
		"not a cluster":   {&Layout{Masters: []Master{{Major: 7}}}, false},
		"nothing at all":  {&Layout{}, false},
		"old and unknown": {laidOut(Master{Addr: "a", Major: 6}, Master{Addr: "b"}), false},
	} {
		if got := c.l.Sharded(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
