package topology

import (
	"slices"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
)

// laidOut makes a layout in which each master has as many slots as the others.
func laidOut(masters ...Master) *Layout {
	l := &Layout{slots: make([]int16, keyslot.Count)}
	for slot := range l.slots {
		m := masters[slot*len(masters)/keyslot.Count]
		l.slots[slot] = l.index(m.Addr)
		l.Masters[l.slots[slot]] = m
	}
	return l
}

func TestMovedSlots(t *testing.T) {
	const first, last = 0, keyslot.Count - 1
	before := laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: "2"})
	for name, c := range map[string]struct {
		next        *Layout
		first, last bool
	}{
		"the same":         {laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: "2"}), false, false},
		"another address":  {laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "c", Run: "3"}), false, true},
		"another run":      {laidOut(Master{Addr: "a", Run: "4"}, Master{Addr: "b", Run: "2"}), true, false},
		"run not learnt":   {laidOut(Master{Addr: "a", Run: ""}, Master{Addr: "b", Run: "2"}), false, false},
		"slots exchanged":  {laidOut(Master{Addr: "b", Run: "2"}, Master{Addr: "a", Run: "1"}), true, true},
		"one has it all":   {laidOut(Master{Addr: "a", Run: "1"}), false, true},
		"nobody has it":    {&Layout{slots: slices.Repeat([]int16{-1}, keyslot.Count)}, false, false},
		"only run is new":  {laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: "5"}), false, true},
		"with one master":  {&Layout{Masters: []Master{{Run: "1"}}}, true, true},
		"the address only": {laidOut(Master{Addr: "a", Run: ""}, Master{Addr: "d", Run: ""}), false, true},
	} {
		c.next.inherit(before)
		if got := c.next.Moved(before, first); got != c.first {
			t.Errorf("%s: first slot moved: %t", name, got)
		}
		if got := c.next.Moved(before, last); got != c.last {
			t.Errorf("%s: last slot moved: %t", name, got)
		}
		if got := c.next.MovedAny(before); got != (c.first || c.last) {
			t.Errorf("%s: some slot moved: %t", name, got)
		}
	}
}

// What is not learnt for a while must not hide that it has changed meanwhile.
func TestLayoutRemembersRuns(t *testing.T) {
	before := laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: "2"})
	silent := laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: ""})
	silent.inherit(before)
	next := laidOut(Master{Addr: "a", Run: "1"}, Master{Addr: "b", Run: "3"})
	next.inherit(silent)
	if !next.Moved(silent, keyslot.Count-1) {
		t.Error("the restart was not noticed")
	}
}

// A master that was cut off, and does not know that it was replaced, is one
// voice of several.
func TestMostServersAreBelieved(t *testing.T) {
	reports := []report{
		{addr: "old", statement: statement{run: "0"}, layout: laidOut(Master{Addr: "a"}, Master{Addr: "old"})},
		{addr: "a", statement: statement{run: "1"}, layout: laidOut(Master{Addr: "a"}, Master{Addr: "b"})},
		{addr: "b", statement: statement{run: "2"}, layout: laidOut(Master{Addr: "a"}, Master{Addr: "b"})},
		{addr: "c", err: ErrNoNode},
	}
	for range len(reports) {
		l := agreed(reports, nil)
		if l == nil || l.Of(0).Run != "1" || l.Of(keyslot.Count-1).Run != "2" || l.Of(0).Addr != "a" {
			t.Fatalf("%+v", l)
		}
		if slices.Contains(l.Up, "c") || !slices.Contains(l.Up, "a") {
			t.Errorf("up: %v", l.Up)
		}
		reports = append(reports[1:], reports[0])
	}
	if l := agreed(reports[:0], nil); l != nil {
		t.Errorf("nobody said %v", l)
	}
}
