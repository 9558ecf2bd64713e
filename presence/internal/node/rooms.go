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
)

// rooms lists some rooms or, with none, all that the index has of a node, which it reads
// page by page. It ends after an error.
func (n *Node) rooms(ctx context.Context, id string, some []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for cursor, more := "", true; more; more = cursor != "" {
			page, next, err := some, "", error(nil)
			if len(some) == 0 {
				page, next, err = n.page(ctx, id, cursor)
			}
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

	mu     sync.Mutex
	failed []string // guarded by mu
}

func newBatch(ctx context.Context, n *Node) *batch {
	return &batch{ctx: ctx, node: n, slots: make(chan struct{}, roomsAhead)}
}

// add has a room reaped, and its entry removed after that if it is the last time. It waits
// for a slot; it reports false when the batch's ctx ended.
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
			if err == nil && last {
				err = b.node.removeRoom(b.ctx, owner, room)
			}
			if err == nil {
				return
			}
			b.node.Log.Warn("clean-up of members failed; trying again", "room", room, "node", owner, "error", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.failed) <= maxFailed {
			b.failed = append(b.failed, room)
		}
	})
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
