package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keylock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// IndexSweep is how often an Index should be swept.
	IndexSweep = 2 * time.Second
	// IndexKeeps is how long a room stays in the index after it was closed, at least. With a
	// long StoreTimeout it is twice that, so that no late write is overtaken by the removal.
	// With the wait for the sweep it is 10 s at most, if StoreTimeout is 4 s or less.
	IndexKeeps = 8 * time.Second
)

// Index is the node's part of the index of rooms: those in which it may have members, which
// the claimant looks through if the node dies. An entry is added before the node's first
// write in the room.
//
// An entry is added only while the room is open here, and a removal begins only when the
// room was closed for long. So a write never has to fear a removal that begins after it: it
// only waits until one that began before the room was opened cannot take effect any more.
//
// Methods are safe for concurrent use. Those that get a ctx block, the others do not.
type Index struct {
	node *Node
	// removals locks each room whose entry is being removed.
	removals keylock.Locks[string]

	mu    sync.Mutex
	rooms map[string]*indexed
	// doubts counts how often the store may have lost entries.
	doubts int
	// addedMs is until when an entry that was written without an answer may appear, by the
	// store's clock.
	addedMs int64
}

// indexed is a room's entry. Guarded by the index's mu.
type indexed struct {
	node     string    // under whose id it stands; "": it may stand, or not
	closedAt time.Time // when the room was closed here; zero: it is open
	// removedMs is until when a removal without an answer may take effect, by the
	// store's clock.
	removedMs int64
	// suspect: since a loss of data, members that are not known here may stand in the room
	// as this node's.
	suspect bool
}

// NewIndex returns an index for a node that has no rooms yet.
func NewIndex(n *Node) *Index { return &Index{node: n, rooms: make(map[string]*indexed)} }

// now is the store's time in Unix ms.
func (x *Index) now() int64 { return x.node.Time.At(x.node.Clock.Now()) }

// Opened says that a room was opened here. It is called before the first write of a member
// in the room.
func (x *Index) Opened(room string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil {
		at.closedAt = time.Time{}
	}
}

// Closed says that a room was closed here: no write in it begins before Opened.
func (x *Index) Closed(room string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil {
		at.closedAt = x.node.Clock.Now()
	}
}

// Lacks reports whether a room's entry must be written before, or with, the next write in
// the room, which is open; node is the id that the write names as the owner. The caller
// that has written the entry calls Added with since. Lacks blocks for at most ctx, while the
// entry is being removed; the error is a store.ErrUnavailable.
func (x *Index) Lacks(ctx context.Context, room, node string) (lacks bool, since int, err error) {
	return x.lacks(ctx, room, node, true)
}

// lacks is Lacks for a room that is open for sure, or was a moment ago: then it lacks nothing if it was
// closed since.
func (x *Index) lacks(ctx context.Context, room, node string, open bool) (lacks bool, since int, err error) {
	if x.stands(room, node) {
		return false, 0, nil
	}
	if err := x.removals.Lock(ctx, room); err != nil {
		return false, 0, fmt.Errorf("add room %q to the node's index: %w: %w", room, store.ErrUnavailable, err)
	}
	defer x.removals.Unlock(room)
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.rooms[room]
	switch {
	case !open && (at == nil || !at.closedAt.IsZero()):
		return false, 0, nil
	case at == nil:
		at = new(indexed)
		x.rooms[room] = at
	}
	at.closedAt = time.Time{} // who closes it after this says so
	if x.now() <= at.removedMs {
		return false, 0, fmt.Errorf("add room %q to the node's index: too early behind a removal in doubt: %w", room, store.ErrUnavailable)
	}
	return at.node != node, x.doubts, nil
}

// stands reports whether a room's entry is known to stand.
func (x *Index) stands(room, node string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.rooms[room]
	return at != nil && at.node == node
}

// Added notes that a room's entry was written, unless the store may have lost it since
// Lacks asked for it.
func (x *Index) Added(room, node string, since int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil && since == x.doubts {
		at.node = node
	}
}

// Add writes a room's entry unless it is there, for a caller that writes in the room next,
// which is open. It blocks for at most ctx.
func (x *Index) Add(ctx context.Context, room string) error { return x.add(ctx, room, true) }

// add is Add for a room that is open for sure, or was a moment ago.
func (x *Index) add(ctx context.Context, room string, open bool) error {
	n := x.node
	node := n.ID()
	lacks, since, err := x.lacks(ctx, room, node, open)
	if err != nil || !lacks {
		return err
	}
	expires := n.Expiry(ctx)
	if err := n.Store.AddRoom(ctx, store.NodeRoom{Node: node, Room: room, ExpiresMs: expires}); err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.addedMs = max(x.addedMs, expires)
		return err
	}
	x.Added(room, node, since)
	return nil
}

// InDoubt reports whether an entry that was written without an answer may still appear.
func (x *Index) InDoubt() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now() <= x.addedMs
}

// Sweep removes the entries of rooms that were closed here long ago. It ends at the first
// failure, which it logs: the next Sweep tries again. Each call of the store is bounded; ctx
// ends when the host closes.
func (x *Index) Sweep(ctx context.Context) {
	n := x.node
	if n.Host.Draining() {
		return // members that are handed over are found by their entries
	}
	keeps := max(IndexKeeps, 2*n.StoreTimeout)
	for _, room := range x.list(func(at *indexed) bool {
		return !at.closedAt.IsZero() && n.Clock.Now().Sub(at.closedAt) >= keeps
	}) {
		if err := x.remove(ctx, room); err != nil {
			n.Log.Warn("rooms not removed from the node's index; trying again", "node", n.ID(), "error", err)
			return
		}
	}
}

// list returns the rooms for whose entry a function says so.
func (x *Index) list(of func(at *indexed) bool) (rooms []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for room, at := range x.rooms {
		if of(at) {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// remove removes the entry of a room, unless it was opened again.
func (x *Index) remove(ctx context.Context, room string) error {
	n := x.node
	if err := x.lookThrough(ctx, room); err != nil {
		return err
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if !x.removals.TryLock(room) {
		return nil // somebody comes back just now
	}
	defer x.removals.Unlock(room)
	x.mu.Lock()
	at := x.rooms[room]
	if at == nil || at.closedAt.IsZero() || x.now() <= at.removedMs { // an earlier try may still take effect after this one
		x.mu.Unlock()
		return nil
	}
	expires := n.Expiry(ctx)
	at.node, at.removedMs = "", expires
	x.mu.Unlock()
	if err := n.Store.RemoveRoom(ctx, store.NodeRoom{Node: n.ID(), Room: room, ExpiresMs: expires}); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.rooms, room) // if it was opened meanwhile, the next write in it finds that it lacks the entry
	return nil
}

// MayBeLost says that the store may have lost entries: they lie elsewhere than the members,
// and may be lost when those are not. Repair is called after that.
func (x *Index) MayBeLost() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.doubts++
	for _, at := range x.rooms {
		at.node, at.suspect = "", true
	}
}

// lookThrough removes members of a room that stand as this node's and are not known here,
// if there may be any: the open rooms show theirs.
func (x *Index) lookThrough(ctx context.Context, room string) error {
	x.mu.Lock()
	at := x.rooms[room]
	suspect := at != nil && at.suspect
	x.mu.Unlock()
	if !suspect {
		return nil
	}
	if err := x.node.Host.ReapRoom(ctx, x.node.ID(), room); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	at.suspect = false
	return nil
}

// Repair writes the entries again that may be lost, and has the next Sweep remove those that
// the store has back and that stand for nothing. It ends at the first error: the caller
// tries again. Each call of the store is bounded; ctx ends when the host closes.
func (x *Index) Repair(ctx context.Context) error {
	if err := x.read(ctx); err != nil {
		return err
	}
	for _, room := range x.list(func(at *indexed) bool { return at.node == "" && at.closedAt.IsZero() }) {
		if err := x.rewrite(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

// read takes what the store has of this node's index: entries that are not known here
// are as those of rooms that were closed.
func (x *Index) read(ctx context.Context) error {
	for cursor := ""; ; {
		rooms, next, err := x.node.page(ctx, x.node.ID(), cursor)
		if err != nil {
			return err
		}
		x.mu.Lock()
		for _, room := range rooms {
			if x.rooms[room] == nil {
				x.rooms[room] = &indexed{closedAt: x.node.Clock.Now(), suspect: true}
			}
		}
		x.mu.Unlock()
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// rewrite is Add for a room that was open a moment ago.
func (x *Index) rewrite(ctx context.Context, room string) error {
	ctx, cancel := x.node.bounded(ctx)
	defer cancel()
	return x.add(ctx, room, false)
}
