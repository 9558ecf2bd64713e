package bench

import "sync/atomic"

// A stay is one member's time in its room, from the ack of its join to its
// leave: which events came, and what was wrong with them. Only the member's
// reader calls take; the atomics may be read by anyone.
type stay struct {
	from    int64 // seq of the join's ack
	present int   // members in its snapshot
	first   bool  // the user's first, begun in the ramp-up

	last    atomic.Int64 // highest seq that came
	updates atomic.Int64 // events of each type, each counted once
	joins   atomic.Int64
	leaves  atomic.Int64
	over    atomic.Bool // it left, or its connection ended

	seqs     sequence
	counters []sequence // of a server without seq: by slot of the patches' user
}

func newStay(a joinAck, first bool) *stay {
	s := &stay{from: a.seq, present: a.present, first: first, seqs: sequence{last: a.seq}}
	s.last.Store(a.seq)
	return s
}

// received is how many events came, each counted once.
func (s *stay) received() int64 {
	return s.updates.Load() + s.joins.Load() + s.leaves.Load()
}

// take judges and counts one event by its seq and prev; own says that it is
// about the member itself.
func (s *stay) take(e event, own bool) verdict {
	if own && e.kind == joined && e.seq == s.from {
		return ownJoin
	}
	v := s.seqs.take(e.seq, e.prev)
	s.last.Store(s.seqs.last)
	s.count(e, v)
	return v
}

// takeBatch judges a message with several changes, which counts as one.
func (s *stay) takeBatch(b batch) verdict {
	if b.seq <= s.from {
		return ownJoin // the ack of the join has it
	}
	v := s.seqs.take(b.seq, b.prev)
	s.last.Store(s.seqs.last)
	s.count(event{kind: updated}, v)
	return v
}

// takeBase judges and counts an event without seq. Each user's state counts its
// patches, so that what comes of one user counts up by one. slots is how many
// users the room has, slot which of them the event is about.
func (s *stay) takeBase(e event, slot, slots int, own bool) verdict {
	v := inOrder
	switch {
	case own && e.kind == joined:
		return ownJoin
	case e.kind == updated:
		if s.counters == nil {
			s.counters = make([]sequence, slots)
		}
		c := &s.counters[slot]
		prev := e.counter - 1
		if c.last == 0 && !s.first {
			prev = 0 // it came in between
		}
		v = c.take(e.counter, prev)
	}
	s.count(e, v)
	return v
}

func (s *stay) count(e event, v verdict) {
	if v == duplicate {
		return
	}
	switch e.kind {
	case joined:
		s.joins.Add(1)
	case updated:
		s.updates.Add(1)
	case left:
		s.leaves.Add(1)
	}
}
