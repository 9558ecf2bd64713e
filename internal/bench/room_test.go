package bench

import "testing"

// come gives a stay the events of these seqs, which the room then knows.
func come(r *room, s *stay, kind eventType, seqs ...int64) {
	for _, seq := range seqs {
		s.take(event{kind: kind, seq: seq, prev: seq - 1}, false)
		r.saw(seq)
	}
}

func TestRoomBalance(t *testing.T) {
	for name, c := range map[string]struct {
		do        func(r *room, watcher, other *stay)
		due, came int64
	}{
		"nothing": {func(*room, *stay, *stay) {}, 0, 0},
		"all came": {func(r *room, watcher, other *stay) {
			come(r, watcher, updated, 3, 4)
			come(r, other, updated, 3, 4)
		}, 4, 4},
		"one did not come to one": {func(r *room, watcher, other *stay) {
			come(r, watcher, updated, 3, 4)
			come(r, other, updated, 3)
		}, 4, 3},
		"it came late": {func(r *room, watcher, other *stay) {
			come(r, watcher, updated, 3, 4)
			come(r, other, updated, 4, 3)
		}, 4, 4},
		"it came twice": {func(r *room, watcher, other *stay) {
			come(r, watcher, updated, 3, 4)
			come(r, other, updated, 3, 3)
		}, 4, 3},
		"only an ack told of it": {func(r *room, _, _ *stay) { r.saw(3) }, 2, 0},
		"one left before": {func(r *room, watcher, other *stay) {
			come(r, other, updated, 3)
			other.over.Store(true)
			r.left()
			come(r, watcher, updated, 3)
			come(r, watcher, left, 4)
		}, 3, 3},
		"nobody heard of a leave": {func(r *room, _, other *stay) {
			other.over.Store(true)
			r.left()
		}, 1, 0},
		"nobody heard of a join": {func(r *room, _, _ *stay) { r.begin(newStay(joinAck{seq: 3, present: 3}, false), false, false) }, 1, 0},
		"a resume tells nobody":  {func(r *room, _, _ *stay) { r.begin(newStay(joinAck{seq: 3, present: 3}, false), true, false) }, 0, 0},
	} {
		r := &room{}
		watcher, other := newStay(joinAck{seq: 1, present: 1}, true), newStay(joinAck{seq: 2, present: 2}, true)
		r.begin(watcher, false, true)
		r.begin(other, false, false)
		come(r, watcher, joined, 2)
		c.do(r, watcher, other)
		if due, came := r.balance(false); due != c.due+1 || came != c.came+1 {
			t.Errorf("%s: %d due and %d came, want %d and %d", name, due, came, c.due+1, c.came+1)
		}
	}
}

// Without seqs, everybody who is there all the time must see every patch.
func TestRoomBalanceOfBaseProtocol(t *testing.T) {
	r := &room{}
	one, two := newStay(joinAck{}, true), newStay(joinAck{}, true)
	r.begin(one, false, true)
	r.begin(two, false, false)
	late := newStay(joinAck{}, false)
	r.begin(late, false, false)
	for n := range int64(3) {
		r.patched()
		for _, s := range []*stay{one, two} {
			if v := s.takeBase(event{kind: updated, counter: n + 1}, 0, 3, false); v != inOrder {
				t.Errorf("patch %d: verdict %d", n+1, v)
			}
		}
	}
	if v := late.takeBase(event{kind: updated, counter: 3}, 0, 3, false); v != inOrder {
		t.Errorf("the first to a late comer: verdict %d", v)
	}
	r.patched()
	one.takeBase(event{kind: updated, counter: 1}, 1, 3, false)
	if v := one.takeBase(event{kind: updated, counter: 1}, 1, 3, false); v != duplicate {
		t.Errorf("the same again: verdict %d", v)
	}
	if due, came := r.balance(true); due != 9 || came != 8 {
		t.Errorf("%d due and %d came, want 9 and 8", due, came)
	}
	if v := two.takeBase(event{kind: updated, counter: 2}, 2, 3, false); v != afterGap {
		t.Errorf("the second before the first: verdict %d", v)
	}
}
