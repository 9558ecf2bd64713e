package topology

import (
	"errors"
	"time"
)

// offset is by how many ms a server's clock is ahead of this process's, as far as is
// known.
type offset struct {
	known bool
	Ms    int64
}

// learn takes in what the server's clock showed at some moment between two of this
// process. What was known before is changed no more than that says: an answer that took
// long says little.
func (o offset) learn(before, after time.Time, serverMs int64) offset {
	least, most := serverMs-after.UnixMilli(), serverMs-before.UnixMilli()
	if !o.known {
		return offset{true, least + (most-least)/2}
	}
	return offset{true, min(max(o.Ms, least), most)}
}

// sameClock is by how much the clocks of two masters may differ to be taken for the same:
// far less than a write may take, and more than what is learned of them may be off.
const sameClock = 100

// SetClocks compares the clocks of the masters with that of the one that holds a slot.
func (l *Layout) SetClocks(slot uint16) {
	l.Shifts = nil
	base := l.Of(slot).Ahead
	for i, m := range l.Masters {
		shift := m.Ahead.Ms - base.Ms
		if !m.Ahead.known || !base.known || -sameClock <= shift && shift <= sameClock {
			continue
		}
		if l.Shifts == nil {
			l.Shifts = make([]int64, len(l.Masters))
		}
		l.Shifts[i] = shift
	}
}

// Shift is by how many ms the clock of a slot's master is ahead of that of the master that
// SetClocks was told of; 0 where that is not known.
func (l *Layout) Shift(slot uint16) int64 {
	if l.Shifts == nil || l.slots[slot] < 0 {
		return 0
	}
	return l.Shifts[l.slots[slot]]
}

var errTime = errors.New("the answer to TIME is not understood")

// TimeMs reads the answer to TIME.
func TimeMs(parts []int64, err error) (int64, error) {
	if err == nil && len(parts) != 2 {
		err = errTime
	}
	if err != nil {
		return 0, err
	}
	return parts[0]*1000 + parts[1]/1000, nil
}
