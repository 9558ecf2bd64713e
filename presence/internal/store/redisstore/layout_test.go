package redisstore

import (
	"slices"
	"testing"
)

// laidOut makes a layout in which each master has as many slots as the others.
func laidOut(masters ...master) *layout {
	l := &layout{slots: make([]int16, slotCount)}
	for slot := range l.slots {
		m := masters[slot*len(masters)/slotCount]
		l.slots[slot] = l.index(m.addr)
		l.masters[l.slots[slot]].run = m.run
	}
	return l
}

func TestMovedSlots(t *testing.T) {
	const first, last = 0, slotCount - 1
	before := laidOut(master{"a", "1"}, master{"b", "2"})
	for name, c := range map[string]struct {
		next        *layout
		first, last bool
	}{
		"the same":         {laidOut(master{"a", "1"}, master{"b", "2"}), false, false},
		"another address":  {laidOut(master{"a", "1"}, master{"c", "3"}), false, true},
		"another run":      {laidOut(master{"a", "4"}, master{"b", "2"}), true, false},
		"run not learnt":   {laidOut(master{"a", ""}, master{"b", "2"}), false, false},
		"slots exchanged":  {laidOut(master{"b", "2"}, master{"a", "1"}), true, true},
		"one has it all":   {laidOut(master{"a", "1"}), false, true},
		"nobody has it":    {&layout{slots: slices.Repeat([]int16{-1}, slotCount)}, false, false},
		"only run is new":  {laidOut(master{"a", "1"}, master{"b", "5"}), false, true},
		"with one master":  {&layout{masters: []master{{"", "1"}}}, true, true},
		"the address only": {laidOut(master{"a", ""}, master{"d", ""}), false, true},
	} {
		c.next.inherit(before)
		if got := c.next.moved(before, first); got != c.first {
			t.Errorf("%s: first slot moved: %t", name, got)
		}
		if got := c.next.moved(before, last); got != c.last {
			t.Errorf("%s: last slot moved: %t", name, got)
		}
		if got := c.next.movedAny(before); got != (c.first || c.last) {
			t.Errorf("%s: some slot moved: %t", name, got)
		}
	}
}

// What is not learnt for a while must not hide that it has changed meanwhile.
func TestLayoutRemembersRuns(t *testing.T) {
	before := laidOut(master{"a", "1"}, master{"b", "2"})
	silent := laidOut(master{"a", "1"}, master{"b", ""})
	silent.inherit(before)
	next := laidOut(master{"a", "1"}, master{"b", "3"})
	next.inherit(silent)
	if !next.moved(silent, slotCount-1) {
		t.Error("the restart was not noticed")
	}
}

// A master that was cut off, and does not know that it was replaced, is one
// voice of several.
func TestMostServersAreBelieved(t *testing.T) {
	reports := []report{
		{addr: "old", run: "0", layout: laidOut(master{addr: "a"}, master{addr: "old"})},
		{addr: "a", run: "1", layout: laidOut(master{addr: "a"}, master{addr: "b"})},
		{addr: "b", run: "2", layout: laidOut(master{addr: "a"}, master{addr: "b"})},
		{addr: "c", err: errNoNode},
	}
	for range len(reports) {
		l := agreed(reports)
		if l == nil || l.of(0) != (master{"a", "1"}) || l.of(slotCount-1) != (master{"b", "2"}) {
			t.Fatalf("%+v", l)
		}
		if slices.Contains(l.up, "c") || !slices.Contains(l.up, "a") {
			t.Errorf("up: %v", l.up)
		}
		reports = append(reports[1:], reports[0])
	}
	if l := agreed(reports[:0]); l != nil {
		t.Errorf("nobody said %v", l)
	}
}
