package presence

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store"
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

func departureOf(room string, m *store.Member, reason Reason) departure {
	return departure{place{room, m.ConnID}, tombstone{epoch: m.Epoch, owner: m.Owner, reason: reason, joinedMs: m.JoinedMs}}
}

// departed are the members that this node removed of late.
type departed struct {
	mu   sync.Mutex
	list []*departure // by time
	last map[place]*departure
}

func (d *departed) add(x departure, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := 0
	for old < len(d.list) && (now.Sub(d.list[old].at) > rememberLeaves || len(d.list)-old >= maxRemembered) {
		if at := d.list[old].place; d.last[at] == d.list[old] {
			delete(d.last, at)
		}
		old++
	}
	clear(d.list[:old])
	if d.last == nil {
		d.last = make(map[place]*departure)
	}
	x.at = now
	d.list = append(d.list[old:], &x)
	d.last[x.place] = &x
}

// of tells whether this node removed a member of late.
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

// ending returns the end of a life that this node removed of late.
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

// tombstones are the members that left a room of late, as its replica heard.
type tombstones struct {
	of map[string]tombstone // by connId
}

func (g *tombstones) add(m *store.Member, reason Reason, now time.Time) {
	if g.of == nil {
		g.of = make(map[string]tombstone)
	}
	if n := len(g.of); n >= 64 && n&(n-1) == 0 { // now and then
		for id, t := range g.of {
			if now.Sub(t.at) > rememberLeaves || n >= maxRemembered {
				delete(g.of, id)
			}
		}
	}
	g.of[m.ConnID] = tombstone{m.Epoch, m.Owner, reason, m.JoinedMs, now}
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

// left tells whether a member left of late, as this node knows, and why: by what
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
	x := departureOf(room, m, reason)
	step := func(ctx context.Context) error {
		_, err := e.removeAgain(ctx, x)
		return err
	}
	var l lane
	e.later(&l, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if step(ctx) != nil {
			e.unsettle(&l, step)
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
