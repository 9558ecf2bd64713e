package replica

import (
	"cmp"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Change is an event as clients see it, and whom it is about.
type Change struct {
	wire.Shown
	Member *store.Member
	// Base is the state that an update replaced, as clients were shown it; nil: they may have another one.
	Base []byte
}

// diff lists the events that lead from one set of members to another, for clients that
// stand at seq at, in the order of their seqs.
func diff(from, to map[string]*Member, at int64) []*Change {
	var d folded
	for id, m := range to {
		old := from[id]
		switch {
		case old != nil && old.UserID != m.UserID:
			d.userChanges = append(d.userChanges, userChange{leaveOf(old), changeOf(wire.EventJoin, m, true)})
		case old == nil || old.Life != m.Life:
			d.events = append(d.events, changeOf(wire.EventJoin, m, old == nil))
		case !sameToClients(&old.Member, &m.Member):
			d.events = append(d.events, changeOf(wire.EventUpdate, m, false))
		}
	}
	for id, m := range from {
		if to[id] == nil {
			d.leaves = append(d.leaves, leaveOf(m))
		}
	}
	return d.number(at)
}

// folded is a diff before its events have their numbers.
type folded struct {
	userChanges    []userChange
	events, leaves []*Change
}

// userChange is a connection that is another user's now: the leave goes first.
type userChange struct{ leave, join *Change }

// number gives each event a seq of its own above at. Joins and updates keep that of
// their member's last write where it is free; the rest get free numbers, the lowest
// first for leaves that a join must follow.
func (d *folded) number(at int64) []*Change {
	slices.SortFunc(d.userChanges, func(a, b userChange) int { return cmp.Compare(a.join.Seq, b.join.Seq) })
	all := slices.Clone(d.events)
	for _, c := range d.userChanges {
		all = append(all, c.join)
	}
	used := make(map[int64]bool, len(all))
	var unnumbered []*Change
	for _, e := range all {
		if e.Seq <= at || used[e.Seq] {
			unnumbered = append(unnumbered, e)
		} else {
			used[e.Seq] = true
		}
	}
	free := at
	next := func() int64 {
		for free++; used[free]; free++ {
		}
		return free
	}
	for _, c := range d.userChanges {
		c.leave.Seq = next()
		all = append(all, c.leave)
	}
	for _, e := range slices.Concat(d.leaves, unnumbered) {
		e.Seq = next()
	}
	for _, c := range d.userChanges {
		if c.join.Seq < c.leave.Seq { // no number was left below it
			c.join.Seq = next()
		}
	}
	all = append(all, d.leaves...)
	slices.SortFunc(all, func(a, b *Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

func changeOf(t wire.EventType, m *Member, fresh bool) *Change {
	c := &Change{Member: &m.Member}
	c.Event = wire.Event{
		Type: t, UserID: m.UserID, ConnID: m.ConnID, State: m.State, Epoch: m.Epoch, Seq: m.Seq,
		Status: wire.StatusOf(m.Away),
	}
	c.Fresh = fresh
	return c
}

// leaveOf is the leave of a member of which only the absence is known.
func leaveOf(m *Member) *Change {
	c := &Change{Member: &m.Member}
	c.Event = wire.Event{
		Type: wire.EventLeave, UserID: m.UserID, ConnID: m.ConnID, Epoch: m.Epoch, Reason: store.ReasonDisconnect,
	}
	return c
}

// sameToClients reports whether nothing that a client shows differs.
func sameToClients(a, b *store.Member) bool {
	return a.Away == b.Away && string(a.State) == string(b.State)
}

func countUsers(members map[string]*Member) map[string]int {
	users := make(map[string]int, len(members))
	for _, m := range members {
		users[m.UserID]++
	}
	return users
}
