package node

import (
	"context"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// renewInterval is how often a node gives its life sign, however long the one before
	// took.
	renewInterval = time.Second
	// steadyGap is how far apart two life signs may be for the node to be trusted.
	steadyGap = 2 * time.Second
	// steadyExtra is for how much longer than the lease the node's own life signs must have
	// run without a break before it is trusted. So nobody is declared dead by an old clock,
	// or for an outage that hit all nodes.
	steadyExtra = 5 * time.Second
)

// lease is what the node knows of its own life signs, which are given one at a time.
type lease struct {
	known  bool // the store knew the id at the last one
	reborn bool // the host is to hear of the first one under a new id

	mu     sync.Mutex // guards the rest
	last   time.Time  // of the last one that was accepted; zero: none
	steady time.Time  // since when they were never further apart than steadyGap
	failed bool       // the last one had no answer
}

// accepted takes in a life sign that was accepted. The lock is held.
func (l *lease) accepted(at time.Time) {
	if at.Sub(l.last) > steadyGap {
		l.steady = at
	}
	l.last = at
}

// mayJudge reports whether the node may declare others dead. The lock is held.
func (l *lease) mayJudge(now time.Time, lease time.Duration) bool {
	return !l.last.IsZero() && now.Sub(l.last) <= steadyGap && now.Sub(l.steady) >= lease+steadyExtra
}

// Trusted reports whether the node can tell that another one is dead: its own life signs
// ran without a break for the lease and steadyExtra, and the last one was accepted just
// now.
func (n *Node) Trusted() bool {
	n.lease.mu.Lock()
	defer n.lease.mu.Unlock()
	return !n.lease.failed && n.lease.mayJudge(n.Clock.Now(), n.Lease)
}

// KeepAlive gives the life sign each second, and has dead nodes reaped, until ctx ends.
// It is called once, after the first Renew.
func (n *Node) KeepAlive(ctx context.Context) {
	began := n.Clock.Now()
	for clock.Sleep(ctx, n.Clock, max(began.Add(renewInterval).Sub(n.Clock.Now()), 0)) {
		began = n.Clock.Now()
		bounded, cancel := context.WithTimeout(ctx, n.renewTimeout())
		dead, err := n.renew(bounded)
		cancel()
		if err == nil {
			n.reap(ctx, dead)
		} else if ctx.Err() == nil {
			n.Log.Warn("life sign failed: the store did not answer; after a lease without one the other servers may declare this one dead", "node", n.ID(), "error", err)
		}
	}
}

// renewTimeout is how long one life sign may take: never so long that the next one is
// late, and at most a quarter of the lease, so that three may fail.
func (n *Node) renewTimeout() time.Duration { return min(renewInterval, n.Lease/4, n.StoreTimeout) }

// Renew gives the first life sign, before anything of the node is written. It blocks for
// at most ctx. Nodes that are dead wait for the next life sign: the host is not ready.
func (n *Node) Renew(ctx context.Context) error {
	_, err := n.renew(ctx)
	return err
}

// renew gives a life sign and does what the answer asks for, except for the dead nodes,
// which it returns.
func (n *Node) renew(ctx context.Context) (dead []string, err error) {
	l := &n.lease
	b, err := n.sign(ctx, l.known)
	if err == nil && b.Status == store.BeatReaped {
		n.declaredDead()
		b, err = n.sign(ctx, false) // before any member is stored under the new id
	}
	if err == nil && b.Status == store.BeatNew && l.known {
		n.Recheck()
		n.Host.DataLost() // before the store knows the node again
		b, err = n.sign(ctx, false)
	}
	if err != nil || b.Status == store.BeatReaped {
		return nil, err
	}
	reborn := l.reborn
	l.known, l.reborn = true, false
	if reborn {
		n.Host.Reborn()
	}
	return b.Dead, nil
}

// sign gives a life sign, of a node that the store has known before or not, and learns the
// store's time.
func (n *Node) sign(ctx context.Context, known bool) (store.Beat, error) {
	l, before := &n.lease, n.Clock.Now()
	l.mu.Lock()
	q := store.BeatRequest{Node: n.ID(), LeaseMs: n.Lease.Milliseconds(), Judge: l.mayJudge(before, n.Lease), Known: known}
	l.mu.Unlock()
	if q.Judge { // else it may come late: the store's clock may have been set
		q.ExpiresMs = n.Expiry(ctx)
	}
	b, err := n.Store.Beat(ctx, q)
	after := n.Clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed = err != nil; l.failed {
		return b, err
	}
	n.Time.Learn(before, after, b.NowMs)
	if b.Status != store.BeatReaped {
		l.accepted(before) // the answer may have waited while this node stood still
	}
	return b, nil
}

// declaredDead gives a new id to a node that was declared dead. What stands under the old
// one is the claimant's, and nobody looks for what is written under it later.
func (n *Node) declaredDead() {
	l, old := &n.lease, n.ID()
	n.Host.DeclaredDead(n.Clock.Now().Sub(l.last)) // only life signs write it
	n.rename()
	l.known, l.reborn = false, true
	n.Log.Warn("the other servers declared this one dead, since it gave no life sign for longer than the lease; restoring its members under a new node id", "was", old, "is", n.ID())
}
