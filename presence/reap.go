package presence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Bounds of the work on a dead node: entries read at once, how many of one room
// are in one piece of work, and how many of these are done at once.
const (
	reapBatch  = 256
	reapPiece  = 16
	reapAtOnce = 16
	reapAgain  = 10 * time.Second // how long entries written late are looked for
)

// undertaker reaps dead nodes: one goroutine for each, for as long as this
// node is its claimant.
type undertaker struct {
	mu     sync.Mutex
	graves map[string]*grave
}

// grave is a dead node as this one knows it.
type grave struct {
	busy    bool
	batch   int       // how many entries are read at once
	emptied time.Time // when it was first found without entries
	closed  bool
}

// bury sees to the dead that a beat named.
func (e *engine) bury(dead []string) {
	if e.draining.Load() {
		return
	}
	u := &e.undertaker
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.DeleteFunc(u.graves, func(node string, g *grave) bool { return !g.busy && !slices.Contains(dead, node) })
	for _, node := range dead {
		g := u.graves[node]
		if g == nil {
			g = &grave{batch: reapBatch}
			u.graves[node] = g
		}
		waiting := !g.emptied.IsZero() && e.clock.Now().Sub(g.emptied) < reapAgain
		if !g.busy && !g.closed && !waiting {
			g.busy = true
			e.start(func() { e.reap(node, g) })
		}
	}
}

// reopenGraves has the dead looked at again: what was removed of them may be
// back.
func (e *engine) reopenGraves() {
	u := &e.undertaker
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, g := range u.graves {
		g.closed, g.emptied = false, time.Time{}
	}
}

// reap works on a dead node until nothing of it is left, or another node is
// its claimant, or the store does not answer; the next beat begins again.
func (e *engine) reap(node string, g *grave) {
	for e.reapSome(node, g) {
	}
	e.undertaker.mu.Lock()
	g.busy = false
	e.undertaker.mu.Unlock()
}

func (e *engine) reapSome(node string, g *grave) (more bool) {
	ctx, cancel := e.bounded()
	defer cancel()
	mine, err := e.store.Claim(ctx, node, e.self())
	if err != nil || !mine || e.draining.Load() {
		return false
	}
	entries, err := e.store.NodeEntries(ctx, node, g.batch)
	if err != nil {
		return false
	}
	if len(entries) == 0 {
		e.closeGrave(ctx, node, g)
		return false
	}
	rooms := make(map[string][]store.Entry)
	for _, entry := range entries {
		rooms[entry.Room] = append(rooms[entry.Room], entry)
	}
	if !e.reapRooms(rooms) {
		// Those that failed may be the first again: what lies behind them must not
		// wait for them.
		g.batch = min(2*g.batch, auditEntries)
		return false
	}
	g.batch = reapBatch
	return true
}

// closeGrave ends the work on a node that has no entries left: for now, and
// the second time, when entries that were on their way when it died cannot come
// any more, for good.
func (e *engine) closeGrave(ctx context.Context, node string, g *grave) {
	e.undertaker.mu.Lock()
	g.closed = !g.emptied.IsZero()
	g.emptied = e.clock.Now()
	e.undertaker.mu.Unlock()
	if err := e.store.NodeDone(ctx, node); err != nil {
		e.faults.Warn("claim on a dead server not given up; it expires by itself", "node", node, "error", err)
	}
}

// reapRooms works on some pieces of rooms at a time. It reports whether all went
// well.
func (e *engine) reapRooms(rooms map[string][]store.Entry) bool {
	var failed atomic.Bool
	var open atomic.Int64
	done := make(chan struct{})
	finished := func() {
		if open.Add(-1) == 0 {
			close(done)
		}
	}
	open.Store(1) // this function's own
	for room, all := range rooms {
		for entries := range slices.Chunk(all, reapPiece) {
			open.Add(1)
			e.reaps.run(room, func() {
				defer finished()
				if err := e.reapRoom(room, entries); err != nil {
					failed.Store(true)
					e.doubt()
					e.faults.Warn("clean-up of members failed; trying again", "room", room, "members", len(entries), "error", err)
				}
			})
		}
	}
	finished()
	select {
	case <-done:
		return !failed.Load()
	case <-e.ctx.Done(): // the rest is not begun any more
		return false
	}
}

func (e *engine) reapRoom(room string, entries []store.Entry) error {
	ctx, cancel := e.bounded()
	defer cancel()
	ids := make([]string, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ConnID
	}
	found, err := e.store.LoadMembers(ctx, room, ids)
	if err != nil {
		return err
	}
	stand := make(map[string]*store.Member, len(found.Members))
	for i := range found.Members {
		stand[found.Members[i].ConnID] = &found.Members[i]
	}
	now := e.storeNow()
	for _, entry := range entries {
		if err := e.reapMember(ctx, entry, stand[entry.ConnID], now); err != nil {
			return err
		}
	}
	return nil
}

// reapMember settles one index entry of a dead node: a plain member leaves, a
// resumable one is taken over for the rest of its grace, and an entry whose
// member is another node's by now, or gone, is removed.
func (e *engine) reapMember(ctx context.Context, entry store.Entry, m *store.Member, nowMs int64) error {
	switch {
	case m == nil:
		return e.erase(ctx, entry)
	case m.Owner != entry.Node && (m.Owner != e.self() || e.owns(entry.Room, entry.ConnID)):
		return e.unregister(ctx, entry)
	case e.restoreOwn(entry.Room, entry.ConnID):
		return fmt.Errorf("%s is connected here: restored first: %w", m.ConnID, store.ErrUnavailable)
	case m.GraceMs > 0 && (m.UntilMs == 0 || m.UntilMs > nowMs):
		return e.adopt(ctx, entry, m, nowMs)
	}
	reason := ReasonNodeLost
	if m.UntilMs > 0 {
		reason = m.Lost // its grace ran out while nobody watched
	}
	res, err := e.store.Remove(ctx, store.Remove{
		Room: entry.Room, ConnID: m.ConnID, Epoch: m.Epoch, Owner: m.Owner, Reason: reason, ExpiresMs: e.expiry(ctx),
	})
	if err != nil || res.Outcome == store.Fenced || res.Outcome == store.Expired {
		return err // the entry stays, and is looked at again
	}
	e.departed.add(e.newDeparture(entry.Room, m, reason), e.clock.Now())
	return e.erase(ctx, entry)
}

// adopt takes a resumable member of a dead node over, without a socket: its
// own index entry first, then the member, then the dead node's entry.
func (e *engine) adopt(ctx context.Context, entry store.Entry, stands *store.Member, nowMs int64) error {
	r, err := e.acquire(ctx, entry.Room)
	if err != nil {
		return err
	}
	defer e.release(r)
	if reason, ok := r.left(stands); ok { // and the store lost that
		gone, err := e.removeAgain(ctx, e.newDeparture(entry.Room, stands, reason))
		if err != nil || !gone {
			return err // the entry stays, and is looked at again
		}
		return e.erase(ctx, entry)
	}
	if !r.moves.TryLock(stands.ConnID) {
		return fmt.Errorf("%s is being resumed: %w", stands.ConnID, store.ErrUnavailable)
	}
	defer r.moves.Unlock(stands.ConnID)
	m := &membership{
		room: r, owner: e.self(), life: stands.Life, connID: stands.ConnID, userID: stands.UserID, state: stands.State,
		digest: stands.Token, graceMs: stands.GraceMs, place: -1,
	}
	m.joinedMs.Store(stands.JoinedMs)
	m.write.Store(stands.Write + 1)
	m.epoch.Store(max(stands.Epoch, r.epochOf(stands.ConnID)) + 1) // the store may have lost what was shown
	m.clientEpoch.Store(m.epoch.Load())
	x := loss{reason: stands.Lost, atMs: stands.UntilMs - stands.GraceMs, untilMs: stands.UntilMs, shown: stands.Away}
	if x.untilMs == 0 {
		x.reason, x.atMs, x.untilMs = ReasonNodeLost, nowMs-e.awayAfter.Milliseconds(), nowMs+stands.GraceMs
	}
	coming := r.await(m, m.epoch.Load())
	defer r.unexpect(coming)
	if err := e.register(ctx, m.entry()); err != nil {
		return err
	}
	next := m.graced(x)
	next.Write = m.write.Load()
	res, err := e.put(ctx, &store.Put{Intent: store.IntentResume, Member: next, Fence: stands.Epoch, KeepState: true}, r)
	if err != nil {
		return err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		r.unexpect(coming)
		return m.unregister(ctx) // a client was quicker
	}
	m.tookOver(&res.Member)
	if !r.succeed(m, res) {
		r.unexpect(coming)
		return m.unregister(ctx)
	}
	m.beginGrace(&lane{roomID: r.id}, x)
	if err := e.connJoin(ctx, m.conn()); err != nil {
		return err
	}
	if entry.Node == m.owner {
		return nil
	}
	return e.unregister(ctx, entry)
}
