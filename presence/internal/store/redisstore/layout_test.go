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
		l.masters[l.slots[slot]] = m
	}
	return l
}

func TestMovedSlots(t *testing.T) {
	const first, last = 0, slotCount - 1
	before := laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: "2"})
	for name, c := range map[string]struct {
		next        *layout
		first, last bool
	}{
		"the same":         {laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: "2"}), false, false},
		"another address":  {laidOut(master{addr: "a", run: "1"}, master{addr: "c", run: "3"}), false, true},
		"another run":      {laidOut(master{addr: "a", run: "4"}, master{addr: "b", run: "2"}), true, false},
		"run not learnt":   {laidOut(master{addr: "a", run: ""}, master{addr: "b", run: "2"}), false, false},
		"slots exchanged":  {laidOut(master{addr: "b", run: "2"}, master{addr: "a", run: "1"}), true, true},
		"one has it all":   {laidOut(master{addr: "a", run: "1"}), false, true},
		"nobody has it":    {&layout{slots: slices.Repeat([]int16{-1}, slotCount)}, false, false},
		"only run is new":  {laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: "5"}), false, true},
		"with one master":  {&layout{masters: []master{{run: "1"}}}, true, true},
		"the address only": {laidOut(master{addr: "a", run: ""}, master{addr: "d", run: ""}), false, true},
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
	before := laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: "2"})
	silent := laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: ""})
	silent.inherit(before)
	next := laidOut(master{addr: "a", run: "1"}, master{addr: "b", run: "3"})
	next.inherit(silent)
	if !next.moved(silent, slotCount-1) {
		t.Error("the restart was not noticed")
	}
}

// A master that was cut off, and does not know that it was replaced, is one
// voice of several.
func TestMostServersAreBelieved(t *testing.T) {
	reports := []report{
		{addr: "old", statement: statement{run: "0"}, layout: laidOut(master{addr: "a"}, master{addr: "old"})},
		{addr: "a", statement: statement{run: "1"}, layout: laidOut(master{addr: "a"}, master{addr: "b"})},
		{addr: "b", statement: statement{run: "2"}, layout: laidOut(master{addr: "a"}, master{addr: "b"})},
		{addr: "c", err: errNoNode},
	}
	for range len(reports) {
		l := agreed(reports, nil)
		if l == nil || l.of(0).run != "1" || l.of(slotCount-1).run != "2" || l.of(0).addr != "a" {
			t.Fatalf("%+v", l)
		}
		if slices.Contains(l.up, "c") || !slices.Contains(l.up, "a") {
			t.Errorf("up: %v", l.up)
		}
		reports = append(reports[1:], reports[0])
	}
	if l := agreed(reports[:0], nil); l != nil {
		t.Errorf("nobody said %v", l)
	}
}
