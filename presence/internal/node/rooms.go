package node

import (
	"context"
	"iter"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// roomsPage is how many rooms are read from the index at once.
	roomsPage = 256
	// roomsAhead is how many rooms of a batch are with the host at once. A room that is slow
	// takes one of these places, and does not hold up the others.
	roomsAhead = 1024
	// maxFailed bounds the rooms of a batch that are remembered because they failed.
	maxFailed = 1 << 16
	// maxSeen bounds the rooms that are remembered for the second pass. The entries of those
	// above stay in the index until then.
	maxSeen = 1 << 16
)

// rooms lists the rooms of a dead node that are due: those that failed before, or else all,
// which are those of the first pass, in the second one, and what the index has, page by
// page. It ends after an error.
func (n *Node) rooms(ctx context.Context, id string, d *deadNode, last bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		known := d.again
		if len(known) == 0 && last {
			known = d.seen
		}
		for _, room := range known {
			if !yield(room, nil) {
				return
			}
		}
		for cursor, more := "", len(d.again) == 0; more; more = cursor != "" {
			page, next, err := n.page(ctx, id, cursor)
			if err != nil {
				yield("", err)
				return
			}
			for _, room := range page {
				if !yield(room, nil) {
					return
				}
			}
			cursor = next
		}
	}
}

func (n *Node) page(ctx context.Context, id, cursor string) (rooms []string, next string, err error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	return n.Store.NodeRooms(ctx, id, cursor, roomsPage)
}

// removeRoom removes a room of a node from the index: nobody looks at it after that.
func (n *Node) removeRoom(ctx context.Context, id, room string) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	return n.Store.RemoveRoom(ctx, store.NodeRoom{Node: id, Room: room, ExpiresMs: n.Expiry(ctx)})
}

// batch is rooms that are reaped at the same time, in turns that the host gives them.
type batch struct {
	ctx   context.Context
	node  *Node
	slots chan struct{} // one for each room that is with the host

	// stale reports whether the store lost data since: what was reaped may be back, and is
	// found by its entry.
	stale func() bool

	mu       sync.Mutex // guards all below
	failed   []string
	reaped   []string // whose entries are gone
	remember int      // how many more of these there may be
}

func newBatch(ctx context.Context, n *Node, remember int) *batch {
	return &batch{
		ctx: ctx, node: n, slots: make(chan struct{}, roomsAhead), remember: remember, stale: func() bool { return false },
	}
}

// add has a room reaped, and its entry removed after that. In the first pass the entry stays
// if there is no space to remember the room for the second one (last). add waits for a slot; it
// reports false when the batch's ctx ended.
func (b *batch) add(owner, room string, last bool) bool {
	select {
	case b.slots <- struct{}{}:
	case <-b.ctx.Done():
		return false
	}
	b.node.Host.Run(room, func() {
		defer func() { <-b.slots }()
		if b.ctx.Err() == nil && !b.node.Host.Draining() {
			err := b.node.Host.ReapRoom(b.ctx, owner, room)
			if err == nil && !b.stale() && (last || b.remembers(room)) {
				err = b.node.removeRoom(b.ctx, owner, room)
			}
			if err == nil {
				return
			}
			b.node.Log.Warn("members of a dead server not removed or taken over yet; trying again", "room", room, "node", owner, "error", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.failed) <= maxFailed {
			b.failed = append(b.failed, room)
		}
	})
	return true
}

// remembers notes a room that is to be looked at once more, and reports whether there was
// space for that.
func (b *batch) remembers(room string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.reaped) >= b.remember {
		return false
	}
	b.reaped = append(b.reaped, room)
	return true
}

// wait blocks until no room is with the host any more, and returns those that failed. It
// reports false when there are more than maxFailed, or ctx ended before.
func (b *batch) wait(ctx context.Context) (failed []string, ok bool) {
	for range roomsAhead {
		select {
		case b.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, false
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed, len(b.failed) <= maxFailed
}
