package engine

import (
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// What goes wrong excuses for a while that a node shows what is not true, or does
// not show what is: as long as it takes to heal when nothing else goes wrong. These
// are the bounds by which the simulation judges; each says what it is made of.
const (
	// Of package node: how often a life sign is given, how often it is looked for owners
	// that are not alive, and for how much longer than the lease a node watches before it
	// judges.
	renewInterval, sweepInterval, trustDelay = time.Second, 4 * time.Second, 5 * time.Second
	// lostFor: an event that was lost shows by the position of the room, when that
	// has been quiet: 3.5 s, 0.5 s until it is looked, 0.25 s for what is on its way.
	lostFor = rooms.IdleAfter + rooms.IdleCheckInterval + rooms.EventTravelTime + slack
	// failedFor: a write without an answer is tried again when it can have no effect
	// any more, 2 s, by a retryQueue that looks each 0.5 s; a load waits up to 2 s.
	failedFor = 2*time.Second + core.RetryInterval + slack
	// interruptedFor: each room is read again, not all at once.
	interruptedFor = core.MaxJitter + slack
	// thawedFor: a node that stood still finds out, by its next beat, that it was
	// declared dead, reads what lies unread for a second, and restores its members.
	thawedFor = renewInterval + core.CatchUpTime + slack
	// lossFor: nodes learn by their next beat, or are told, that the store lost data,
	// read each room, not all at once, and restore what is missing.
	lossFor = renewInterval + core.MaxJitter + member.NoticeTime + slack
	// ghostsAfterLoss: members that the store lost are shown on for 10 s from the load
	// that lacks them, for their owners to restore them; some have none any more. A
	// last load ends that.
	ghostsAfterLoss = renewInterval + core.MaxJitter + replica.RebuildTime + slack
	// ghostsInDoubt: so they are for a while when events were missed and the room has another
	// record by then.
	ghostsInDoubt = interruptedFor + replica.DoubtTime + slack
	// unownedFor: members of a node that nobody can judge any more, since the store
	// does not know it, are found by those who show them: looked for each 4 s by nodes
	// whose beats were good for a lease and 5 s, when another lease and 5 s are over,
	// and found at the next look.
	unownedFor = 2*sweepInterval + 2*(4*time.Second+trustDelay) + slack
	// reapedFor is I6: a dead node's members are gone, or in grace with another node,
	// 4 s after its lease, or 2 s after somebody may judge.
	reapedFor, judgedFor = 4 * time.Second, 2 * time.Second

	slack = 500 * time.Millisecond
)

// excuse says until when, and why.
type excuse struct {
	until time.Time
	why   string
}

// or is the one of two that lasts longer.
func (x excuse) or(y excuse) excuse {
	if y.until.After(x.until) {
		return y
	}
	return x
}

// excuses are those of a node: for what it shows or does not, and for ghosts,
// which may last longer.
type excuses struct {
	shown, ghosts excuse
	keeping       time.Time // until when it may show members on that the store lost
}

func (x *excuses) add(until time.Time, why string) {
	x.shown = x.shown.or(excuse{until, why})
	x.ghosts = x.ghosts.or(excuse{until, why})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// excuse notes that something went wrong for a node, which heals within d. If it shows members
// on that the store lost, it may show them for so much longer.
func (s *simulation) excuse(n *simNode, d time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	why = n.name + ": " + why
	n.late.add(time.Now().Add(d), why)
	if keeps := later(s.late.keeping, n.late.keeping); time.Now().Before(keeps) {
		n.late.ghosts = n.late.ghosts.or(excuse{keeps.Add(d), why})
	}
}

// excuseGhosts is excuse for ghosts alone.
func (s *simulation) excuseGhosts(n *simNode, d time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := time.Now().Add(d)
	n.late.keeping = later(n.late.keeping, until)
	n.late.ghosts = n.late.ghosts.or(excuse{until, n.name + ": " + why})
}

// excuseMissed is excuse for ghosts of which a node missed the leave, when the record of the
// room is another one by then.
func (s *simulation) excuseMissed(n *simNode, d time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.late.ghosts = n.late.ghosts.or(excuse{time.Now().Add(d + ghostsInDoubt), n.name + ": " + why})
}

// missedEvent notes that an event was lost: while a node shows members on that the
// store lost, it takes one of which it missed the leave for one more of them.
func (s *simulation) missedEvent(n *simNode) {
	s.mu.Lock()
	late := max(0, time.Until(n.lateUntil)) // by then the room still hears what came before
	s.mu.Unlock()
	s.excuse(n, late+lostFor, "an event was lost")
	s.excuseMissed(n, late+lostFor, "an event was lost")
	s.mu.Lock()
	keeps := time.Now().Before(later(s.late.keeping, n.late.keeping))
	s.mu.Unlock()
	if keeps {
		s.excuseGhosts(n, lostFor+ghostsAfterLoss, "an event was lost soon after the store lost data")
	}
}

// delayed notes that a subscription of a node is late, by so much more than it was.
func (s *simulation) delayed(n *simNode, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.late.add(later(n.late.shown.until, time.Now().Add(slack)).Add(d), n.name+": events are late")
	n.lateUntil = later(n.lateUntil, time.Now()).Add(d)
	if n.frozen {
		n.held += d
	}
}

// excuseLoss notes that the store lost data, and that its clock was set.
func (s *simulation) excuseLoss(step time.Duration, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	heals := lossFor
	if step > 0 { // writes expire too early or too late until then
		heals += step + failedFor
	}
	s.late.add(now.Add(heals), why)
	s.late.keeping = now.Add(step + ghostsAfterLoss)
	s.late.ghosts = s.late.ghosts.or(excuse{s.late.keeping, why})
	for _, n := range s.ended { // and what is left of it may be back
		n.unowned = true
		n.judged, n.deadFrom = time.Time{}, later(n.deadFrom, now.Add(store.MaxJudgeGap))
	}
}

// watchNodes notes what excuses a node by the way it stands.
func (s *simulation) watchNodes(now time.Time) {
	s.mu.Lock()
	nodes := slices.Concat(s.nodes, s.leaving)
	s.mu.Unlock()
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.eng.Self()
	}
	states, err := s.mem.NodeStates(context.Background(), ids)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	alive, judges := false, false
	for i, n := range nodes {
		up := !n.frozen && !n.isCut() && states[i] == store.NodeAlive
		alive, judges = alive || up, judges || up && n.eng.Life.Trusted()
		switch {
		case n.frozen:
			n.late.add(now.Add(thawedFor), n.name+": it stands still")
		case states[i] != store.NodeAlive, n.id != ids[i]:
			n.late.add(now.Add(thawedFor), n.name+": the store does not know it, or has it for dead")
		}
		n.id = ids[i]
	}
	for _, n := range s.ended {
		if n.judged.IsZero() {
			if n.late.add(now, n.name+": nobody can know yet that it is dead"); !now.Before(n.deadFrom) && (judges || alive && n.signedOff) {
				n.judged = now
			}
			continue
		}
		n.late.add(n.judged.Add(judgedFor), n.name+": it is being reaped")
		if !n.signedOff {
			n.late.add(n.deadFrom.Add(reapedFor), n.name+": it is being reaped")
		}
	}
}

// excuseOf is what excuses that an observer, at a node or, with nil, at the store,
// is wrong about a member of another node. s.mu is held.
func (s *simulation) excuseOf(at, owner *simNode, ghost bool) excuse {
	list := []*simNode{at, owner}
	if owner != nil && (!owner.ended.IsZero() || s.dead[owner.eng]) { // any other may have its members
		list = slices.Concat(list, s.nodes, s.leaving, s.ended)
	}
	of := func(x *excuses) excuse {
		if ghost {
			return x.ghosts
		}
		return x.shown
	}
	x := of(&s.late)
	for _, n := range list {
		if n != nil {
			x = x.or(of(&n.late))
		}
	}
	return x
}
