package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// sweepInterval is how often the orphan sweep looks whether the owners of the members
// that this node shows are alive.
const sweepInterval = 4 * time.Second

// SweepOrphans reaps the members that this node shows of owners that have not been alive
// for the lease and steadyExtra, and those that stand as this node's own and that it does
// not know. It is called once, and returns when ctx ends.
//
// The members of a node that was declared dead are found much sooner, by its index of
// rooms. Here are those whose owner nobody declares dead, or whose index is gone, since
// the store lost that.
func (n *Node) SweepOrphans(ctx context.Context) {
	var absent map[string]time.Time
	for clock.Sleep(ctx, n.Clock, sweepInterval) {
		n.addWork(1)
		absent = n.sweep(ctx, absent)
		n.addWork(-1)
	}
}

// sweep looks at the owners once, and reaps what is due. before says since when this node
// has seen, without a break, that owners are absent; sweep returns that for the next look.
func (n *Node) sweep(ctx context.Context, before map[string]time.Time) map[string]time.Time {
	if n.Host.Draining() {
		return nil
	}
	owners := n.Host.Owners()
	if len(owners) == 0 {
		return nil
	}
	ids := slices.Collect(maps.Keys(owners))
	bounded, cancel := n.bounded(ctx)
	states, err := n.Store.NodeStates(bounded, ids)
	cancel()
	now, self := n.Clock.Now(), n.ID()
	if err != nil || !n.Trusted() { // asked last: the node may have stood still until now
		return nil
	}
	absent, b := make(map[string]time.Time), newBatch(ctx, n, 0)
	for i, id := range ids {
		if states[i] == store.NodeAlive && id != self {
			continue
		}
		since, ok := before[id]
		if !ok {
			since = now
		}
		if absent[id] = since; now.Sub(since) < n.Lease+steadyExtra {
			continue
		}
		for _, room := range owners[id] {
			b.add(id, room, false)
		}
	}
	b.wait(ctx)
	return absent
}
