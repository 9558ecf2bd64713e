package engine

import (
	"slices"
	"time"
)

// explanation is whether a member may be shown, and the node that it is, or was, on.
type explanation struct {
	holds   bool
	node    *simNode   // nil: not known
	nodes   []*simNode // all of which clients had it, one of which may still have it
	unknown bool       // nobody was told of this member
}

// explain looks for somebody who may be a member. s.mu is held.
func (s *simulation) explain(seat seatID, now time.Time) *explanation {
	x := &explanation{holds: s.contested[seat] > 0}
	known, open := false, false
	var asked time.Time
	if f, ok := s.fading[seat]; ok {
		known, x.node, x.holds = true, f.node, x.holds || s.mayFade(f, now)
	}
	for _, b := range s.inRoom[seat.room] {
		unclear := b.open > 0 || b.unsure
		open = open || unclear
		if b.connID != seat.connID && (b.c.ID() != seat.connID || !unclear) { // it may have joined by its socket's id
			continue
		}
		known = true
		x.nodes = append(x.nodes, b.node)
		if !b.askedAt.Before(asked) {
			asked, x.node = b.askedAt, b.node // the last who had it
		}
		x.holds = x.holds || s.explains(b, now)
	}
	if x.unknown = !known; x.unknown { // a join without an answer may have drawn any connId
		x.holds = x.holds || open
	}
	return x
}

// owner is the node that may be the member's: one of which nobody knows, before others. s.mu
// is held.
func (s *simulation) owner(x *explanation) *simNode {
	if i := slices.IndexFunc(x.nodes, s.mayBeUnowned); i >= 0 {
		return x.nodes[i]
	}
	return x.node
}

// mayFade reports whether a member may still be shown that its client has left, or
// lost. s.mu is held.
func (s *simulation) mayFade(f fading, now time.Time) bool {
	if !f.node.ended.IsZero() || s.dead[f.node.eng] {
		f.grace = max(f.grace, f.full)
	}
	if f.grace > 0 { // which begins when it is known that its node is dead
		f.at = later(f.at, s.excuseOf(nil, f.node, true).until)
	}
	return !now.After(f.at.Add(f.grace))
}

// excuseGhost is what excuses that an observer shows a member that is gone. s.mu is
// held.
func (s *simulation) excuseGhost(at *simNode, x *explanation) excuse {
	free := s.excuseOf(at, x.node, true)
	for _, n := range x.nodes {
		free = free.or(s.excuseOf(at, n, true))
	}
	if x.unknown { // it may have been any node's
		for _, n := range slices.Concat(s.nodes, s.leaving, s.ended) {
			free = free.or(n.late.ghosts)
		}
	}
	return free
}

// explains reports whether a client may still be a member, as far as it knows, or
// one in grace. s.mu is held.
func (s *simulation) explains(b *belief, now time.Time) bool {
	gone, unclear := b.c.isGone(), b.open > 0 || b.unsure
	at, grace, end := b.outAt, b.outGrace, s.goneAt[b.c]
	if end.IsZero() {
		end = now // it has just ended
	}
	switch {
	case !gone && (b.in || unclear):
		return true
	case !gone && b.taken: // and given back if the other socket ended before its node heard of it
		return true
	case !gone:
	case unclear: // a request that was under way may have taken effect yet
		at, grace = end.Add(testSettings.StoreTimeout), simGrace
	case (b.in || b.taken) && s.clean[b.c]:
		at, grace = end, 0
	case b.in || b.taken:
		at, grace = end, b.grace
	}
	return s.mayFade(fading{b.node, at, grace, b.grace}, now)
}

// mayBe reports whether a member's state may be n: that of the last write that is
// known to have taken effect, or of a later one.
func (b *belief) mayBe(n int) bool {
	for _, p := range slices.Backward(b.written) {
		if p.n == n || p.known {
			return p.n == n
		}
	}
	return n == b.value
}
