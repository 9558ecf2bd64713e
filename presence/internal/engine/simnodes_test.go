package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/fold"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// simTick is how long a node of a simulation gathers changes, if it does.
const simTick = time.Second

// simNode is a node with its own way to the store, that can stand still.
type simNode struct {
	eng  *Engine
	name string
	// gathers: it tells changes together, to those who take them so, once in a simTick.
	gathers bool
	ids     []string // all that it had
	link    *storetest.Faulty
	ended   time.Time // when it crashed, or had drained; zero: it did not

	// Guarded by simulation.mu.
	frozen    bool
	thawed    time.Time     // when it last was
	held      time.Duration // how late events are that came meanwhile
	lateUntil time.Time     // when the events have come that are late
	queue     []func()      // what clients sent while it was
	cutUntil  time.Time     // it has no way to the store before
	stuck     time.Time     // since when it stands still, or has none
	id        string        // its node id when it was last looked at
	late      excuses
	// Of one that ended: when others may know that it is dead, and when one that
	// may judge was first seen after that; signedOff: nobody has to judge.
	deadFrom, judged time.Time
	signedOff        bool
	// unowned: the store may have a member of it, but not its life sign or index.
	unowned bool
}

// isCut reports whether the node has no way to the store. simulation.mu is held.
func (n *simNode) isCut() bool { return time.Now().Before(n.cutUntil) }

// getStuck notes that the node can do nothing from now on, if it could until now.
// simulation.mu is held.
func (n *simNode) getStuck() {
	if !n.frozen && !n.isCut() {
		n.stuck = time.Now()
	}
}

// index is the key of the index of what the node holds.
func (n *simNode) index() string { return "{node:" + n.eng.Self() + "}:rooms" }

// nodeClock is the clock of a node: while that stands still, no timer fires.
type nodeClock struct {
	clock.System
	link *storetest.Faulty
}

func (c nodeClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	return c.System.AfterFunc(d, func() {
		if c.link.Wait() {
			f()
		}
	})
}

// startTime is how long a node may take to start.
const startTime = 3 * time.Second

// addNode starts a node, and lets clients come to it. The start may fail unless it
// is the first: then there is none.
func (s *simulation) addNode() *simNode {
	s.born++
	n := &simNode{name: fmt.Sprint("n", s.born), link: storetest.NewFaulty(s.mem, storetest.Plan{})}
	first := len(s.running()) == 0
	plan := s.plan(n, s.seed<<8+uint64(s.born))
	if !first {
		n.link.SetPlan(plan)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	// Rolling versions belong here: a node of the next version is one that starts
	// in another way, for every second n.
	eng, err := s.w.startIn(ctx, n.link, nodeClock{link: n.link})
	if err != nil {
		if first {
			s.w.t.Fatal(err)
		}
		s.log("a node could not start", n.name, err)
		n.link.End()
		return nil
	}
	n.eng = eng
	if n.gathers = s.born%2 == 0; n.gathers {
		eng.Rooms.Pace = fold.Pace{FreeRate: -1, MinTick: simTick}
	}
	n.link.SetPlan(plan)
	s.mu.Lock()
	defer s.mu.Unlock()
	n.id = eng.Self()
	s.nodes = append(s.nodes, n)
	s.of[eng] = n
	s.log("node", n.name, n.id)
	return n
}

// running are the nodes that clients may come to: that did not crash, nor drain.
func (s *simulation) running() []*simNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.nodes)
}

func (s *simulation) isFrozen(n *simNode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return n.frozen
}

// crash ends a node: its clients lose their connections.
func (s *simulation) crash(n *simNode) {
	s.noteDead()
	s.noteForgotten(n)
	n.link.Kill()
	for _, c := range s.w.clients {
		if c.node == n.eng {
			c.gone.Store(true)
		}
	}
	n.eng.close()
	s.w.nodes = without(s.w.nodes, n.eng)
	s.crashed = append(s.crashed, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = without(s.nodes, n)
	s.bury(n, testSettings.LeaseTime)
}

// bury notes that a node has ended, and that others may know that it is dead after
// a while. s.mu is held.
func (s *simulation) bury(n *simNode, after time.Duration) {
	now := time.Now()
	n.ended, n.deadFrom = now, now.Add(after)
	// It may not have repeated what was lost. Or it was declared dead, and what it wrote before
	// it knew that stands under an id that was reaped.
	could := now // what it could do at last it did at this time
	if n.frozen || n.isCut() {
		could = n.stuck
	}
	n.unowned = could.Sub(s.lastLoss) < lossFor || now.Sub(later(n.thawed, n.cutUntil)) < thawedFor
	s.ended = append(s.ended, n)
	s.w.t.Cleanup(n.link.End)
}

// replace starts a node in place of another one, which drains.
func (s *simulation) replace(n *simNode) {
	if s.isFrozen(n) || s.addNode() == nil {
		return
	}
	s.log("drains", n.name)
	pause := time.Duration(s.dice.IntN(100)) * time.Millisecond
	s.w.nodes = without(s.w.nodes, n.eng)
	s.mu.Lock()
	s.nodes = without(s.nodes, n)
	s.leaving = append(s.leaving, n)
	s.mu.Unlock()
	s.drains.Go(func() { s.drain(n, pause) })
}

// drainTime is how long a node may take to drain.
const drainTime = 10 * time.Second

// drain is what Runtime.Close does, without a server.
func (s *simulation) drain(n *simNode, pause time.Duration) {
	n.eng.Stopping.Store(true)
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		if c.node == n.eng && !c.isGone() {
			time.Sleep(pause)
			c.end(store.ReasonShutdown, false)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	left, err := n.eng.DrainNode(ctx)
	n.eng.close()
	if err == nil {
		err = n.eng.Deregister(ctx, left)
	}
	s.log("drained", n.name, left, err)
	after := time.Duration(0)
	if err != nil { // it is found dead when its lease is over
		after = testSettings.LeaseTime
		s.noteForgotten(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = without(s.leaving, n)
	n.signedOff = err == nil
	s.bury(n, after)
}

func without[T comparable](list []T, x T) []T {
	var rest []T
	for _, y := range list {
		if y != x {
			rest = append(rest, y)
		}
	}
	return rest
}

// freeze lets a node stand still for a while.
func (s *simulation) freeze(n *simNode, d time.Duration) {
	s.mu.Lock()
	was := n.frozen
	n.getStuck()
	n.frozen = true
	s.mu.Unlock()
	if was {
		return
	}
	n.link.Freeze()
	if time.Since(s.lastLoss) < replica.RebuildTime {
		s.noteSilent()
	}
	s.log("frozen for", d, n.name)
	began := time.Now()
	time.AfterFunc(d, func() { s.thaw(n, began) })
}

func (s *simulation) thaw(n *simNode, began time.Time) {
	s.mu.Lock()
	late := s.lastLoss.Add(ghostsAfterLoss).After(began)
	queue, held := n.queue, n.held
	n.queue, n.frozen, n.thawed, n.held = nil, false, time.Now(), 0
	s.mu.Unlock()
	s.log("thawed", n.name)
	s.excuse(n, thawedFor, "it stood still")
	if held > 0 {
		s.excuse(n, held+lostFor, "events were late when it stood still")
	}
	s.excuseMissed(n, thawedFor, "it stood still")
	if late {
		s.excuseGhosts(n, thawedFor+ghostsAfterLoss, "it stood still when the store lost data")
	}
	n.link.Thaw()
	for _, f := range queue {
		f()
	}
}

// on does something to a client's socket, once its node can read it.
func (s *simulation) on(c *client, f func()) {
	s.mu.Lock()
	if n := s.of[c.node]; n.frozen {
		n.queue = append(n.queue, f)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	f()
}

// noteForgotten notes what nobody can find: the index of a node that ends
// before it told the store of itself again, after that lost everything.
func (s *simulation) noteForgotten(n *simNode) {
	id := n.eng.Self()
	states, err := s.mem.NodeStates(context.Background(), []string{id})
	if err == nil && states[0] == store.NodeUnknown {
		s.forget(n)
	}
}

// noteUnknown notes the nodes that have ended and that a part of the store, as it
// was a while ago, names in an index, but not as nodes.
func (s *simulation) noteUnknown() {
	s.mu.Lock()
	ended := slices.Clone(s.ended)
	s.mu.Unlock()
	for _, n := range ended {
		s.noteForgotten(n)
	}
}

// forget notes that nobody can find the index of a node that ended any more.
func (s *simulation) forget(n *simNode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten = append(s.forgotten, n)
}
