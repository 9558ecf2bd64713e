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

// departure is a member that is gone.
type departure struct {
	room, connID, owner string
	epoch               int64
	reason              Reason
	at                  time.Time
}

// departed are the members that this node removed of late.
type departed struct {
	mu   sync.Mutex
	list []departure // by time
}

func (d *departed) add(x departure, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := 0
	for old < len(d.list) && (now.Sub(d.list[old].at) > rememberLeaves || len(d.list)-old >= maxRemembered) {
		old++
	}
	clear(d.list[:old])
	x.at = now
	d.list = append(d.list[old:], x)
}

// since returns what is remembered, by room.
func (d *departed) recent(now time.Time) map[string][]departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	rooms := make(map[string][]departure)
	for _, x := range d.list {
		if now.Sub(x.at) <= rememberLeaves {
			rooms[x.room] = append(rooms[x.room], x)
		}
	}
	return rooms
}

// tombstones are the members that left a room of late, as its replica heard.
type tombstones struct {
	of map[string]tombstone // by connId
}

type tombstone struct {
	epoch  int64
	owner  string
	reason Reason
	at     time.Time
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
	g.of[m.ConnID] = tombstone{m.Epoch, m.Owner, reason, now}
}

// has tells whether a member left, as it is or as it became. One that was
// resumed after the store lost the leave may have the same epoch.
func (g *tombstones) has(m *store.Member, now time.Time) bool {
	t, ok := g.of[m.ConnID]
	return ok && (m.Epoch < t.epoch || m.Epoch == t.epoch && m.Owner == t.owner) && now.Sub(t.at) <= rememberLeaves
}

func (g *tombstones) reason(connID string) Reason { return g.of[connID].reason }

// left tells whether a member left of late, as this node knows, and why.
func (r *room) left(m *store.Member) (Reason, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone.reason(m.ConnID), r.gone.has(m, r.eng.clock.Now())
}

// leaveAgain removes a member that came back although it had left.
func (e *engine) leaveAgain(x departure) {
	var l lane
	e.later(&l, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if err := e.removeAgain(ctx, x); err != nil {
			e.unsettle(&l, func(ctx context.Context) error { return e.removeAgain(ctx, x) })
		}
	})
}

func (e *engine) removeAgain(ctx context.Context, x departure) error {
	res, err := e.store.Remove(ctx, store.Remove{
		Room: x.room, ConnID: x.connID, Epoch: x.epoch, Owner: x.owner, Reason: x.reason, ExpiresMs: e.expiry(ctx),
	})
	if err == nil && res.Outcome == store.Expired {
		err = fmt.Errorf("leave expired on its way: %w", store.ErrUnavailable)
	}
	return err
}
