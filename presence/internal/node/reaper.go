package node

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// secondPass is how long after the first pass over a dead node's rooms the second one
	// begins: what the node wrote last has arrived by then, or never will.
	secondPass = 10 * time.Second
	// idlePause is how often a drain looks whether the work on other nodes is over.
	idlePause = 10 * time.Millisecond
)

// reaper sees to the dead nodes of which this node is the claimant.
//
// It makes two passes over the rooms that the index has of a dead node, since a write of
// that node may still be on its way in the first one. The second one finds what came of
// that: it looks at the rooms of the first pass, which the claimant remembers, and at what
// the index has by then. A node without rooms is done.
type reaper struct {
	mu      sync.Mutex
	dead    map[string]*deadNode
	working int // goroutines at work on other nodes
}

// deadNode is how far the work on a dead node has come. While its goroutine works, that
// alone touches the rest; otherwise the reaper's mu guards all of it.
type deadNode struct {
	working bool // guarded by mu
	stale   bool // guarded by mu: a Recheck came meanwhile, so the work begins again

	again []string  // rooms that failed: they are what is left of the present pass
	seen  []string  // rooms of the first pass whose entries are gone, for the second one
	first time.Time // when the first pass ended; zero: it did not
	done  bool
}

// waits reports whether it is too early for the second pass.
func (d *deadNode) waits(now time.Time) bool {
	return !d.first.IsZero() && now.Sub(d.first) < secondPass
}

// reap sees to the dead nodes that the answer to a life sign named. What fails is tried
// again at the next one.
func (n *Node) reap(ctx context.Context, dead []string) {
	r := &n.reaper
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.Host.Draining() {
		return
	}
	maps.DeleteFunc(r.dead, func(id string, d *deadNode) bool { return !d.working && !slices.Contains(dead, id) })
	for _, id := range dead {
		d := r.dead[id]
		if d == nil {
			d = new(deadNode)
			r.dead[id] = d
		}
		if d.working || d.done || d.waits(n.Clock.Now()) {
			continue
		}
		d.working = n.Host.Start(func() { n.reapNode(ctx, id, d) })
		if d.working {
			r.working++
		}
	}
}

// Recheck has all dead nodes looked through from the start: the store lost data, so what
// was removed may be back. It does not block.
func (n *Node) Recheck() {
	n.reaper.mu.Lock()
	defer n.reaper.mu.Unlock()
	maps.DeleteFunc(n.reaper.dead, func(_ string, d *deadNode) bool {
		d.stale = true
		return !d.working
	})
}

// reapNode is the goroutine of a dead node. It claims the node, or prolongs the claim, and
// makes the pass that is due.
func (n *Node) reapNode(ctx context.Context, id string, d *deadNode) {
	mine, err := n.claim(ctx, id)
	if err == nil && mine && n.pass(ctx, id, d) {
		n.release(ctx, id)
	}
	r := &n.reaper
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working--
	if d.working = false; d.stale {
		delete(r.dead, id)
	}
}

// pass makes the first or the second pass over a dead node. It reports whether that came to
// its end: then the claim is given up, also between the two passes.
func (n *Node) pass(ctx context.Context, id string, d *deadNode) (free bool) {
	last := !d.first.IsZero()
	failed, found, ok := n.reapRooms(ctx, id, d, last)
	d.again = failed
	switch {
	case !ok, len(failed) > 0:
		return false
	case last:
		d.done, d.seen = !found, nil
	default:
		d.first = n.Clock.Now()
	}
	return true
}

// reapRooms reaps the rooms of a dead node, those that failed before or all, and removes
// their entries. It fails as a whole when the index could not be read to its end, another
// node became the claimant, or this one drains.
func (n *Node) reapRooms(ctx context.Context, id string, d *deadNode, last bool) (failed []string, found, ok bool) {
	held, lost := context.WithCancel(ctx)
	defer lost()
	n.Host.Start(func() { n.hold(held, id, lost) })
	b, all := newBatch(held, n, maxSeen-len(d.seen)), true
	if last {
		b.remember = 0
	}
	b.stale = func() bool {
		n.reaper.mu.Lock()
		defer n.reaper.mu.Unlock()
		return d.stale
	}
	for room, err := range n.rooms(held, id, d, last) {
		found = true
		if all = err == nil && !n.Host.Draining() && b.add(id, room, last); !all {
			break
		}
	}
	failed, ok = b.wait(ctx)
	d.seen = append(d.seen, b.reaped...)
	if !ok || !all {
		return nil, found, false
	}
	return failed, found, true
}

// hold prolongs the claim on a dead node until ctx ends. lost is called when another node
// has it.
func (n *Node) hold(ctx context.Context, id string, lost func()) {
	for clock.Sleep(ctx, n.Clock, store.ClaimTime/5) {
		if mine, err := n.claim(ctx, id); err == nil && !mine {
			lost()
		}
	}
}

func (n *Node) claim(ctx context.Context, id string) (bool, error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	return n.Store.Claim(ctx, id, n.ID())
}

func (n *Node) release(ctx context.Context, id string) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.Store.NodeDone(ctx, id); err != nil {
		n.Log.Warn("claim on a dead server not given up; it expires by itself", "node", id, "error", err)
	}
}

// WaitIdle blocks until no work on other nodes is under way; when ctx ends before, that is
// the error. None begins any more once Host.Draining reports true.
func (n *Node) WaitIdle(ctx context.Context) error {
	for n.addWork(0) > 0 {
		if !clock.Sleep(ctx, n.Clock, idlePause) {
			return ctx.Err()
		}
	}
	return nil
}

// addWork counts work on other nodes in or out, and returns how much is under way.
func (n *Node) addWork(by int) int {
	n.reaper.mu.Lock()
	defer n.reaper.mu.Unlock()
	n.reaper.working += by
	return n.reaper.working
}
