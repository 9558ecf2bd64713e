package bench

import (
	"math"
	"slices"
	"sync"
)

// room is what the load knows of a room: what it did there, and which events
// any of its members saw. Both say what every member must have seen.
type room struct {
	name string

	mu    sync.Mutex
	stays []*stay
	// anchor is the first stay of the user that stays from the ramp-up to the
	// end, so that it sees all that was done after it came.
	anchor *stay
	seqs   []int64 // every event that a member saw or an ack told of, ascending

	// What was done, and acknowledged.
	joins, leaves, patches int64
}

// saw notes that the room has an event with this seq.
func (r *room) saw(seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.seqs); n == 0 || r.seqs[n-1] < seq {
		r.seqs = append(r.seqs, seq)
	} else if i, found := slices.BinarySearch(r.seqs, seq); !found {
		r.seqs = slices.Insert(r.seqs, i, seq)
	}
}

// begin adds a stay that a join's ack began.
func (r *room) begin(s *stay, resumed, anchor bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stays = append(r.stays, s)
	if !resumed {
		r.joins++
	}
	if anchor && s.first {
		r.anchor = s
	}
}

func (r *room) left() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaves++
}

func (r *room) patched() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.patches++
}

// balanceBatches is balance for messages with several changes: of each member one is due if it has not
// come to the end.
func (r *room) balanceBatches() (due, came int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stays {
		got := s.received()
		if n := len(r.seqs); n > 0 && !s.over.Load() && s.last.Load() < r.seqs[n-1] {
			due++
		}
		due += got
		came += got
	}
	return due, came
}

// balance says how many events the members of the room were due, and how many
// of them came.
func (r *room) balance(base bool) (due, came int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stays {
		got := s.received()
		want := got
		switch {
		case !base:
			want = r.dueTo(s)
		case s.first && !s.over.Load():
			want = max(got, r.patches+s.joins.Load()+s.leaves.Load())
		}
		due += want
		came += got
	}
	if a := r.anchor; a != nil && !a.over.Load() && !base {
		// What nobody saw is known all the same: the load did it.
		due += max(0, r.joins-int64(a.present)-a.joins.Load())
		due += max(0, r.leaves-a.leaves.Load())
	}
	return due, came
}

// dueTo counts the events after the stay began: to now, or for one that is
// over, to the last that it saw.
func (r *room) dueTo(s *stay) int64 {
	until := int64(math.MaxInt64)
	if s.over.Load() {
		until = s.last.Load() + 1
	}
	return int64(before(r.seqs, until) - before(r.seqs, s.from+1))
}

// before counts the seqs below n.
func before(seqs []int64, n int64) int {
	i, _ := slices.BinarySearch(seqs, n)
	return i
}
