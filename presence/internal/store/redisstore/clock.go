package redisstore

import (
	"context"
	"time"
)

// offset is by how many ms a server's clock is ahead of this process's, as far as is
// known.
type offset struct {
	known bool
	ms    int64
}

// learn takes in what the server's clock showed at some moment between two of this
// process. What was known before is changed no more than that says: an answer that took
// long says little.
func (o offset) learn(before, after time.Time, serverMs int64) offset {
	least, most := serverMs-after.UnixMilli(), serverMs-before.UnixMilli()
	if !o.known {
		return offset{true, least + (most-least)/2}
	}
	return offset{true, min(max(o.ms, least), most)}
}

// sameClock is by how much the clocks of two masters may differ to be taken for the same:
// far less than a write may take, and more than what is learned of them may be off.
const sameClock = 100

// setClocks compares the clocks of the masters with that of the one that holds a slot.
func (l *layout) setClocks(slot uint16) {
	l.shifts = nil
	base := l.of(slot).ahead
	for i, m := range l.masters {
		shift := m.ahead.ms - base.ms
		if !m.ahead.known || !base.known || -sameClock <= shift && shift <= sameClock {
			continue
		}
		if l.shifts == nil {
			l.shifts = make([]int64, len(l.masters))
		}
		l.shifts[i] = shift
	}
}

// shift is by how many ms the clock of a slot's master is ahead of that of the master that
// setClocks was told of; 0 where that is not known.
func (l *layout) shift(slot uint16) int64 {
	if l.shifts == nil || l.slots[slot] < 0 {
		return 0
	}
	return l.shifts[l.slots[slot]]
}

// shift is by how many ms the clock of the master that holds the key of an id is ahead of
// the store's time. That is what callers know from the life signs: the clock of the master
// of the nodes.
func (s *Store) shift(key func(id string) string, id string) int64 {
	l := s.layout.Load()
	if l.shifts == nil { // as a rule: one server, or clocks that are kept in step
		return 0
	}
	return l.shift(slotOf(key(id)))
}

// expires is a time after which a write shall do nothing, by the clock of the master that
// holds the key of an id. 0 stays 0: never.
func (s *Store) expires(ms int64, key func(id string) string, id string) int64 {
	if ms == 0 {
		return 0
	}
	return ms + s.shift(key, id)
}

// now is the time by the clock of one of the servers, Unix ms.
func (s *Store) now(ctx context.Context) (int64, error) {
	msg, err := s.pipe.do(ctx, s.client.B().Time().Build())
	if err != nil {
		return 0, err
	}
	return timeMs(msg.AsIntSlice())
}

// timeMs reads the answer to TIME.
func timeMs(parts []int64, err error) (int64, error) {
	if err == nil && len(parts) != 2 {
		err = errAnswer
	}
	if err != nil {
		return 0, err
	}
	return parts[0]*1000 + parts[1]/1000, nil
}
