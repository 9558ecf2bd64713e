package redisstore

import (
	"testing"
	"time"
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
		if !o.known || o.ms != step.want {
			t.Errorf("%+v: %+v", step, o)
		}
	}
}

func TestClocksAreCompared(t *testing.T) {
	clock := func(ms int64) offset { return offset{true, ms} }
	l := laidOut(
		master{addr: "a", ahead: clock(2000)}, master{addr: "b", ahead: clock(7000)}, master{addr: "c", ahead: clock(2050)}, master{addr: "d"},
	)
	middle := func(i int) uint16 { return uint16(slotCount/8 + i*slotCount/4) }
	l.setClocks(middle(0))
	for i, want := range []int64{0, 5000, 0, 0} {
		if got := l.shift(middle(i)); got != want {
			t.Errorf("master %d is %d ms ahead, want %d", i, got, want)
		}
	}
	l.setClocks(middle(1))
	for i, want := range []int64{-5000, 0, -4950, 0} {
		if got := l.shift(middle(i)); got != want {
			t.Errorf("master %d is %d ms ahead of the second, want %d", i, got, want)
		}
	}
	l.setClocks(middle(3)) // of whose clock nothing is known
	if l.shifts != nil {
		t.Errorf("shifts %v", l.shifts)
	}
	l = laidOut(master{addr: "a", ahead: clock(2000)}, master{addr: "b", ahead: clock(2099)})
	l.setClocks(0)
	if l.shifts != nil {
		t.Errorf("clocks in step: shifts %v", l.shifts)
	}
}

// What was learned of a clock lasts while its server does not answer, and not beyond
// its end.
func TestClocksAreRemembered(t *testing.T) {
	before := laidOut(master{addr: "a", run: "1", major: 7, ahead: offset{true, 70}})
	silent := laidOut(master{addr: "a"})
	silent.inherit(before)
	if got := silent.of(0); got != before.of(0) {
		t.Errorf("%+v", got)
	}
	now := time.UnixMilli(1_000_000)
	same := statement{run: "1", clockMs: now.UnixMilli() + 60, asked: now, got: now.Add(100 * time.Millisecond)}
	if got := same.master("a", silent).ahead.ms; got != 60 {
		t.Errorf("a better answer: %d", got)
	}
	same.run = "2"
	if got := same.master("a", silent).ahead.ms; got != 10 {
		t.Errorf("another server: %d", got)
	}
}

func TestShardedNeedsEveryMaster(t *testing.T) {
	for name, c := range map[string]struct {
		l    *layout
		want bool
	}{
		"all new":         {laidOut(master{addr: "a", major: 7}, master{addr: "b", major: 8}), true},
		"one old":         {laidOut(master{addr: "a", major: 7}, master{addr: "b", major: 6}), false},
		"one not known":   {laidOut(master{addr: "a", major: 7}, master{addr: "b"}), true},
		"nothing known":   {laidOut(master{addr: "a"}), false},
		"not a cluster":   {&layout{masters: []master{{major: 7}}}, false},
		"nothing at all":  {&layout{}, false},
		"old and unknown": {laidOut(master{addr: "a", major: 6}, master{addr: "b"}), false},
	} {
		if got := c.l.sharded(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
