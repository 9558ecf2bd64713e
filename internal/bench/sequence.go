package bench

// verdict is what becomes of an event.
type verdict byte

const (
	inOrder   verdict = iota
	ownJoin           // the joiner's own join, which its ack covers
	afterGap          // at least one event before it has not come
	reordered         // it comes after a later one
	duplicate
)

// sequence judges numbers that must rise, each with the one it follows.
type sequence struct {
	last  int64
	holes []hole
}

// hole is a stretch of numbers that did not come: above after, below before.
type hole struct{ after, before int64 }

// maxHoles bounds what a broken server can make a client remember.
const maxHoles = 1000

func (s *sequence) take(n, prev int64) verdict {
	if last := s.last; n > last {
		s.last = n
		if prev <= last {
			return inOrder
		}
		s.holes = append(s.holes, hole{last, n})
		if len(s.holes) > maxHoles {
			s.holes = s.holes[1:]
		}
		return afterGap
	}
	for i, h := range s.holes {
		if n > h.after && n < h.before {
			s.holes[i].before = n
			s.holes = append(s.holes, hole{n, h.before})
			return reordered
		}
	}
	return duplicate
}
