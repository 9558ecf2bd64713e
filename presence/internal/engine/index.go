package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keylock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// indexSweep is how often it is looked which rooms may go from the node's index.
	indexSweep = 2 * time.Second
	// indexKeeps is how long a room stays in the node's index after it was closed here, at
	// least; with a long StoreTimeout twice that, so that no late write is overtaken by
	// the removal.
	indexKeeps = 10 * time.Second
	// indexPage is how many entries are read at once.
	indexPage = 256
)

// roomIndex is what the store has of the rooms in which this node may have members: who
// reaps the node looks through them. An entry is added only while the room is open here,
// and a removal begins only when the room was closed for long. So a write never has to
// fear a removal that begins after it: it only waits until one that began before the room
// was opened cannot take effect any more.
type roomIndex struct {
	eng *Engine
	// removals locks each room whose entry is being removed.
	removals keylock.Locks[string]

	mu    sync.Mutex
	rooms map[string]*indexed
	// doubts counts how often the store may have lost entries.
	doubts int
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

// opened notes that a room is open here, closed that it is not any more.
func (x *roomIndex) opened(room string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil {
		at.closedAt = time.Time{}
	}
}

func (x *roomIndex) closed(room string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil {
		at.closedAt = x.eng.clock.Now()
	}
}

// lacks reports whether a room's entry must be written before, or with, the next write of
// a node in the room, which is open. Who has written it calls added with since. lacks
// blocks for at most ctx.
func (x *roomIndex) lacks(ctx context.Context, room, node string) (lacks bool, since int, err error) {
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
	if at == nil {
		at = new(indexed)
		x.rooms[room] = at
	}
	at.closedAt = time.Time{} // it is open; who closes it after this says so
	if x.eng.storeNow() <= at.removedMs {
		return false, 0, fmt.Errorf("add room %q to the node's index: too early behind a removal in doubt: %w", room, store.ErrUnavailable)
	}
	return at.node != node, x.doubts, nil
}

// stands reports whether a room's entry is known to stand.
func (x *roomIndex) stands(room, node string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.rooms[room]
	return at != nil && at.node == node
}

// added notes that a room's entry stands, unless the store may have lost it since it was
// asked for.
func (x *roomIndex) added(room, node string, since int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if at := x.rooms[room]; at != nil && since == x.doubts {
		at.node = node
	}
}

// add writes a room's entry unless it is there: for who writes in the room next, which is
// open, with something else than Enter. It blocks for at most ctx.
func (x *roomIndex) add(ctx context.Context, room string) error {
	e, node := x.eng, x.eng.self()
	lacks, since, err := x.lacks(ctx, room, node)
	if err != nil || !lacks {
		return err
	}
	if err := e.store.AddRoom(ctx, store.NodeRoom{Node: node, Room: room, ExpiresMs: e.expiry(ctx)}); err != nil {
		return err
	}
	x.added(room, node, since)
	return nil
}

// sweep removes the entries of rooms that were closed here long ago. It blocks.
func (x *roomIndex) sweep() {
	if x.eng.draining.Load() {
		return // members that are handed over are found by their entries
	}
	keeps := max(indexKeeps, 2*x.eng.StoreTimeout)
	for _, room := range x.list(func(at *indexed) bool {
		return !at.closedAt.IsZero() && x.eng.clock.Now().Sub(at.closedAt) >= keeps
	}) {
		if err := x.remove(room); err != nil {
			x.eng.throttled.Warn("rooms not removed from the node's index; trying again", "node", x.eng.self(), "error", err)
			return
		}
	}
}

// list returns the rooms for whose entry a function says so.
func (x *roomIndex) list(of func(at *indexed) bool) (rooms []string) {
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
func (x *roomIndex) remove(room string) error {
	e := x.eng
	if err := x.lookThrough(room); err != nil {
		return err
	}
	ctx, cancel := e.storeContext()
	defer cancel()
	if !x.removals.TryLock(room) {
		return nil // somebody comes back just now
	}
	defer x.removals.Unlock(room)
	x.mu.Lock()
	at := x.rooms[room]
	if at == nil || at.closedAt.IsZero() || e.storeNow() <= at.removedMs { // an earlier try may still take effect after this one
		x.mu.Unlock()
		return nil
	}
	expires := e.expiry(ctx)
	at.node, at.removedMs = "", expires
	x.mu.Unlock()
	if err := e.store.RemoveRoom(ctx, store.NodeRoom{Node: e.self(), Room: room, ExpiresMs: expires}); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if at.removedMs = 0; !at.closedAt.IsZero() {
		delete(x.rooms, room)
	}
	return nil
}

// doubt notes that the store may have lost entries: they lie elsewhere than the members,
// and may be lost when those are not.
func (x *roomIndex) doubt() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.doubts++
	for _, at := range x.rooms {
		at.node, at.suspect = "", true
	}
}

// lookThrough removes members of a room that stand as this node's and are not known here,
// if there may be any: the open rooms show theirs.
func (x *roomIndex) lookThrough(room string) error {
	x.mu.Lock()
	at := x.rooms[room]
	suspect := at != nil && at.suspect
	x.mu.Unlock()
	if !suspect {
		return nil
	}
	if err := x.eng.ReapRoom(x.eng.ctx, x.eng.self(), room); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	at.suspect = false
	return nil
}

// again writes the entries in doubt again, and has those removed that the store has back
// and that stand for nothing. It blocks.
func (x *roomIndex) again() error {
	if err := x.read(); err != nil {
		return err
	}
	for _, room := range x.list(func(at *indexed) bool { return at.node == "" && at.closedAt.IsZero() }) {
		if err := x.rewrite(room); err != nil {
			return err
		}
	}
	return nil
}

// read takes what the store has of this node's index: entries that are not known here
// are as those of rooms that were closed.
func (x *roomIndex) read() error {
	for cursor := ""; ; {
		ctx, cancel := x.eng.storeContext()
		rooms, next, err := x.eng.store.NodeRooms(ctx, x.eng.self(), cursor, indexPage)
		cancel()
		if err != nil {
			return err
		}
		x.mu.Lock()
		for _, room := range rooms {
			if x.rooms[room] == nil {
				x.rooms[room] = &indexed{closedAt: x.eng.clock.Now(), suspect: true}
			}
		}
		x.mu.Unlock()
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// rewrite is add for a room that was open a moment ago.
func (x *roomIndex) rewrite(room string) error {
	ctx, cancel := x.eng.storeContext()
	defer cancel()
	x.mu.Lock()
	at := x.rooms[room]
	open := at != nil && at.closedAt.IsZero()
	x.mu.Unlock()
	if !open {
		return nil
	}
	return x.add(ctx, room)
}

// expiry is the time of the store after which a write that is sent now must do nothing,
// since its caller has given up by then.
func (e *Engine) expiry(ctx context.Context) int64 {
	left := e.StoreTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, deadline.Sub(e.clock.Now()))
	}
	return e.storeNow() + left.Milliseconds()
}

// The writes of the users' index and of connections: none takes effect after its caller
// gave up.

func (e *Engine) addUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = e.expiry(ctx)
	return e.store.AddUser(ctx, u)
}

func (e *Engine) removeUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = e.expiry(ctx)
	return e.store.RemoveUser(ctx, u)
}

func (e *Engine) connJoin(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = e.expiry(ctx)
	return e.store.ConnJoin(ctx, c)
}

// connLeave takes a room out of a connection's record.
func (e *Engine) connLeave(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = e.expiry(ctx)
	return e.store.ConnLeave(ctx, c)
}

// stored reads one member of a room; nil: it does not stand.
func (e *Engine) stored(ctx context.Context, room, connID string) (*store.Member, error) {
	found, err := e.store.LoadMembers(ctx, room, []string{connID})
	if err != nil || len(found.Members) == 0 {
		return nil, err
	}
	return &found.Members[0], nil
}
