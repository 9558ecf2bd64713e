package replica

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Outcome is what an event meant to a replica.
type Outcome struct {
	// Change is what clients are to see of it; nil for nothing.
	Change *Change
	// Taken says that the event is part of the replica now, or was before. If not, the
	// room has to be loaded again.
	Taken bool
	// Stale says that the event is about a life that has ended. The member has to be
	// removed again.
	Stale bool
}

// Receive takes an event that came over the bridge: the next one, one that is known, or
// the sign of a gap. If it ends a life, that is remembered in any case.
func (r *Replica) Receive(e *store.Event, now Now) Outcome {
	backwards := e.Born == r.received.Born && e.Seq <= r.received.Seq
	if e.Born == r.pos.Born {
		e.Born = r.pos.Born // one copy, not one with all that arrived in it
	}
	r.received = e.Position
	if backwards { // the store lost what had this number before
		r.Lost(now.Time, true)
	}
	if !backwards && e.Seq > r.pos.Seq && r.follows(e) {
		return r.apply(e, now)
	}
	left := e.Intent == store.IntentLeave && r.shows(&e.Member)
	r.NoteLeave(e, now.Time)
	if !backwards && !left && e.Seq <= r.pos.Seq && e.Born == r.pos.Born {
		return Outcome{Taken: true} // published before the load that the replica is from
	}
	if e.Reset {
		r.Lost(now.Time, false)
	}
	r.Suspect()
	return Outcome{} // the load that follows has what this event says
}

// NoteLeave remembers the end of a life.
func (r *Replica) NoteLeave(e *store.Event, now time.Time) {
	if e.Intent != store.IntentLeave {
		return
	}
	t := EndOf(r.room, &e.Member, e.Reason)
	t.heard = true
	r.settings.Tombstones.Add(t, now)
}

// NoteEnd takes the word of another node that a life ended which the store did not have any
// more, so that no event says so. It counts if the member is shown as it was when it ended and
// is not this node's. NoteEnd reports whether a load is due, which shows the leave.
func (r *Replica) NoteEnd(t Tombstone, now time.Time) bool {
	shown := r.members[t.ConnID]
	if shown == nil || shown.Life != t.Life || shown.Owner != t.Owner || r.owner.Owns(t.ConnID) {
		return false
	}
	if _, known := r.ended(t.Life, now); known {
		return false
	}
	t.Room, t.UserID = r.room, shown.UserID
	r.settings.Tombstones.Add(t, now)
	return true
}

// shows reports whether this life of a member is shown.
func (r *Replica) shows(m *store.Member) bool {
	old := r.members[m.ConnID]
	return old != nil && old.Life == m.Life
}

// follows tells whether nothing is missing between the replica and an event.
func (r *Replica) follows(e *store.Event) bool {
	if e.Prev == 0 && len(r.members) == 0 {
		return true // it began the record, which holds nothing else
	}
	return e.Born == r.pos.Born && e.Prev <= r.pos.Seq && !r.changesUser(e)
}

// changesUser tells whether an event gives a connection to another user without the
// leave between: that is two events to clients, which a load makes.
func (r *Replica) changesUser(e *store.Event) bool {
	old := r.members[e.Member.ConnID]
	return old != nil && old.UserID != e.Member.UserID && e.Intent != store.IntentLeave
}

// apply makes an event that follows part of the replica.
func (r *Replica) apply(e *store.Event, now Now) Outcome {
	r.pos = e.Position
	if r.state == Suspect { // nothing was missed after all
		r.state = Current
	}
	id := e.Member.ConnID
	old := r.members[id]
	if e.Intent == store.IntentLeave {
		return r.applyLeave(e, old, now)
	}
	if t, ended := r.ended(e.Member.Life, now.Time); ended {
		switch {
		case t.heard, e.AtMs > t.endMs(now):
			r.Lost(now.Time, true)
			return Outcome{Stale: true}
		case !r.shows(&e.Member):
			return Outcome{Taken: true}
		}
		// It was written before the leave, whose own event is still to come.
	}
	if old != nil && old.isNewerThan(&e.Member) { // from before a loss
		r.Lost(now.Time, true)
		return Outcome{}
	}
	r.ContinueLife(e.Member.ConnID, e.Member.Life)
	out := Outcome{Taken: true}
	m := r.seen(e.Member, e.AtMs, old)
	r.markSilent(m, e.AtMs, old)
	r.share(m, old)
	r.put(m)
	r.stands(id)
	switch {
	case old == nil:
		out.Change = r.changeFor(e, wire.EventJoin, true)
	case old.Life != m.Life, e.Intent == store.IntentJoin && m.Epoch > old.Epoch:
		out.Change = r.changeFor(e, wire.EventJoin, false)
	case e.Intent == store.IntentUpdate || !sameToClients(&old.Member, &m.Member):
		out.Change = r.changeFor(e, wire.EventUpdate, false)
		out.Change.Base = old.State
	}
	return out
}

// applyLeave is apply for a leave; old is what was shown of the connection.
func (r *Replica) applyLeave(e *store.Event, old *Member, now Now) Outcome {
	r.NoteLeave(e, now.Time)
	switch {
	case old == nil:
		return Outcome{Taken: true}
	case old.Life != e.Member.Life: // the store had an older life of it
		r.Lost(now.Time, true)
		return Outcome{}
	}
	r.remove(old)
	r.stands(old.ConnID)
	return Outcome{Taken: true, Change: r.changeFor(e, wire.EventLeave, false)}
}

// changeFor is what clients see of an event that was applied.
func (r *Replica) changeFor(e *store.Event, t wire.EventType, fresh bool) *Change {
	m := &e.Member
	c := &Change{Member: m}
	c.Event = wire.Event{
		Type: t, UserID: m.UserID, ConnID: m.ConnID, Time: time.UnixMilli(e.AtMs), Epoch: m.Epoch, Seq: e.Seq,
		UserConns: e.UserConns,
	}
	c.Fresh = fresh
	if t == wire.EventLeave {
		c.Reason = e.Reason
	} else {
		shown := r.members[m.ConnID]
		c.State, c.Status = shown.State, wire.StatusOf(m.Away)
		r.tellSeen(c, shown)
	}
	// The store counts what it has, this is what is shown: the same, but for members that
	// are shown on while the store does not have them.
	if len(r.members) < fewMembers || len(r.missing) > 0 || r.state != Current {
		c.UserConns = r.connsOf(m.UserID)
	}
	r.number(c)
	return c
}

// share replaces values of a new member by equal ones that are known: otherwise they would
// keep the whole message in memory.
func (r *Replica) share(m, old *Member) {
	m.Owner = intern(m.Owner)
	r.owner.Share(&m.Member)
	if old != nil {
		if old.Life == m.Life {
			m.ConnID, m.UserID, m.Life = old.ConnID, old.UserID, old.Life
		}
		if string(old.State) == string(m.State) {
			m.State = old.State
		}
	}
}
