package presence

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// rememberLeaves is for how long leaves are carried out again when the store
	// lost the last it was told.
	rememberLeaves = time.Minute
	// maxRemembered bounds them, on a node and in a room.
	maxRemembered = 1 << 16
)

// place is where a connection is a member.
type place struct{ room, connID string }

// departure is a member that is gone.
type departure struct {
	place
	tombstone
}

// newDeparture shares no memory with the member, which may be part of a large answer
// of the store.
func (e *engine) newDeparture(room string, m *store.Member, reason Reason) departure {
	return departure{
		place: place{room, strings.Clone(m.ConnID)}, tombstone: e.tombstoneOf(m, reason),
	}
}

// departed are the members that this node removed lately.
type departed struct {
	mu   sync.Mutex
	list []*departure // by time
	last map[place]*departure
}

func (d *departed) add(x departure, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(now, maxRemembered-1)
	if d.last == nil {
		d.last = make(map[place]*departure)
	}
	x.at = now
	d.list = append(d.list, &x)
	d.last[x.place] = &x
}

// expire forgets those whose time is over: nobody else may leave for hours.
func (d *departed) expire(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(now, maxRemembered)
	if len(d.list) == 0 {
		d.list, d.last = nil, nil // maps never shrink
	}
}

// forget drops those whose time is over, and the oldest above a number. The lock
// is held.
func (d *departed) forget(now time.Time, most int) {
	old := 0
	for old < len(d.list) && (now.Sub(d.list[old].at) > rememberLeaves || len(d.list)-old > most) {
		if at := d.list[old].place; d.last[at] == d.list[old] {
			delete(d.last, at)
		}
		old++
	}
	clear(d.list[:old])
	d.list = d.list[old:]
}

// of tells whether this node removed a member lately.
func (d *departed) of(room string, m *store.Member, now time.Time) (Reason, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.last[place{room, m.ConnID}]
	if x == nil || !x.covers(m, now) {
		return "", false
	}
	return x.reason, true
}

// recent returns the last departure from each place, by room.
func (d *departed) recent(now time.Time) map[string][]departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	rooms := make(map[string][]departure)
	for at, x := range d.last {
		if now.Sub(x.at) <= rememberLeaves {
			rooms[at.room] = append(rooms[at.room], *x)
		}
	}
	return rooms
}

// ending returns the end of a life that this node removed lately.
func (d *departed) ending(life departureText, now time.Time) (tombstone, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.last[place{life.Room, life.ConnID}]
	if x == nil || !x.ends(life, now) {
		return tombstone{}, false
	}
	return x.tombstone, true
}

// tombstone is which life of a member ended, when and why.
type tombstone struct {
	epoch    int64
	owner    string
	reason   Reason
	joinedMs int64 // 0: not known
	at       time.Time
}

// covers tells whether it was that life, as it is or as it was before, that
// ended. One that was resumed after the store lost the leave may have the same
// epoch; one without a socket was not resumed, but restored or taken over by who
// did not know. One whose node was taken for dead may have had a socket since: the
// node woke, and had the epoch after its own for itself.
func (t tombstone) covers(m *store.Member, now time.Time) bool {
	unaware := m.UntilMs > 0 && t.joinedMs > 0 && m.JoinedMs == t.joinedMs && t.reason != ReasonNodeLost
	switch {
	case now.Sub(t.at) > rememberLeaves:
		return false
	case m.Epoch == t.epoch:
		return m.Owner == t.owner || unaware
	case m.Epoch == t.epoch+1:
		return unaware && m.Lost == ReasonNodeLost
	}
	return m.Epoch < t.epoch
}

// ends tells whether it was that life that ended, at its epoch or later.
func (t tombstone) ends(life departureText, now time.Time) bool {
	known := t.joinedMs > 0 && t.reason != ReasonNodeLost
	return known && t.joinedMs == life.JoinedMs && t.epoch >= life.Epoch && now.Sub(t.at) <= rememberLeaves
}

// tombstones are the members that left a room lately, as its replica heard.
type tombstones struct {
	of    map[string]tombstone // by connId
	swept time.Time            // when those whose time is over were last dropped
}

// tombstoneOf shares no memory with the member, which may be part of a large
// message of the bridge.
func (e *engine) tombstoneOf(m *store.Member, reason Reason) tombstone {
	return tombstone{epoch: m.Epoch, owner: e.intern(m.Owner), reason: ownCopy(reason), joinedMs: m.JoinedMs}
}

// ownCopy is a reason that shares no memory with the message that it came in.
func ownCopy(reason Reason) Reason {
	for _, known := range []Reason{
		ReasonDisconnect, ReasonLeave, ReasonTimeout, ReasonNodeLost, ReasonShutdown, ReasonKicked,
	} {
		if reason == known {
			return known
		}
	}
	return Reason(strings.Clone(string(reason)))
}

// noteLeft remembers that a member left. The room's lock is held.
func (r *room) noteLeft(m *store.Member, reason Reason, now time.Time) {
	t := r.eng.tombstoneOf(m, reason)
	t.at = now
	r.gone.add(m.ConnID, t)
}

func (g *tombstones) add(connID string, t tombstone) {
	g.expire(t.at)
	if g.of == nil {
		g.of = make(map[string]tombstone)
	}
	if len(g.of) >= maxRemembered {
		for id := range g.of {
			delete(g.of, id)
			break
		}
	}
	g.of[strings.Clone(connID)] = t
}

// expire drops those whose time is over, if it was not done lately.
func (g *tombstones) expire(now time.Time) {
	if len(g.of) == 0 || now.Sub(g.swept) < rememberLeaves/2 {
		return
	}
	g.swept = now
	for id, t := range g.of {
		if now.Sub(t.at) > rememberLeaves {
			delete(g.of, id)
		}
	}
	if len(g.of) == 0 {
		g.of = nil // a map never shrinks
	}
}

// has tells whether a member left.
func (g *tombstones) has(m *store.Member, now time.Time) bool {
	t, ok := g.of[m.ConnID]
	return ok && t.covers(m, now)
}

// knows tells whether the life of a member is the one that left last.
func (g *tombstones) knows(m *store.Member) bool {
	t := g.of[m.ConnID]
	return t.joinedMs > 0 && t.joinedMs == m.JoinedMs
}

func (g *tombstones) reason(connID string) Reason { return g.of[connID].reason }

// forgetInterval is how often it is looked who left so long ago that it need not be
// remembered.
const forgetInterval = rememberLeaves / 4

// forgetDeparted frees what is remembered of members that left long ago.
func (e *engine) forgetDeparted() {
	now := e.clock.Now()
	e.departed.expire(now)
	for _, r := range e.openRooms() {
		r.mu.Lock()
		r.gone.expire(now)
		r.mu.Unlock()
	}
}

// left tells whether a member left lately, as this node knows, and why: by what
// the replica heard, or by what the node did when it had another replica.
func (r *room) left(m *store.Member) (Reason, bool) {
	e := r.eng
	now := e.clock.Now()
	if reason, ok := e.departed.of(r.id, m, now); ok {
		return reason, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone.reason(m.ConnID), r.gone.has(m, now)
}

// leaveAgain removes a member that came back although it had left.
func (e *engine) leaveAgain(room string, m *store.Member, reason Reason) {
	x := e.newDeparture(room, m, reason)
	step := func(ctx context.Context) error {
		_, err := e.removeAgain(ctx, x)
		return err
	}
	l := &lane{roomID: room}
	e.later(l, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if step(ctx) != nil {
			e.unsettle(l, step)
		}
	})
}

// removeAgain is one try. It reports whether the member is gone; if not, it is
// another life of it by now that stands.
func (e *engine) removeAgain(ctx context.Context, x departure) (gone bool, err error) {
	res, err := e.store.Remove(ctx, store.Remove{
		Room: x.room, ConnID: x.connID, Epoch: x.epoch, Owner: x.owner, Reason: x.reason, ExpiresMs: e.expiry(ctx),
	})
	if err == nil && res.Outcome == store.Expired {
		err = fmt.Errorf("leave expired on its way: %w", store.ErrUnavailable)
	}
	return err == nil && res.Outcome != store.Fenced, err
}
