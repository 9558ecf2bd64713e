package replica

import (
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Reload is a room that was loaded again.
type Reload struct {
	store.Room
	// Began is when the load began: it may have members of lives that ended since. The
	// zero Time says that none ended since.
	Began time.Time
	// DataLoss says that the store lost data since the load before this one began.
	DataLoss bool
	// Dead are the owners, of those that Owners named, that are marked dead.
	Dead map[string]bool
	// Held are the events that came while the room was being loaded.
	Held []store.Event
}

// reason is why a member left, by the events that are held back; empty: none says so. Those
// that follow the load are none of them: they take effect in order, after it.
func (l *Reload) reason(m *store.Member) (why store.Reason) {
	for i := range l.Held {
		e := &l.Held[i]
		if e.Born == l.Born && e.Seq > l.Seq {
			continue
		}
		if e.Intent == store.IntentLeave && e.Member.ConnID == m.ConnID && e.Member.Life == m.Life {
			why = e.Reason
		}
	}
	return why
}

// Load makes the first load of a room the replica. It returns members of lives that
// have ended, which are not shown, and have to be removed again. began is when the load
// began: a life that has ended since is no sign of a loss. Nothing was shown before, so that
// there is nothing to rebuild.
func (r *Replica) Load(loaded store.Room, began time.Time, now Now) (stale []store.Member) {
	r.pos, r.shown = loaded.Position, loaded.Seq
	for _, m := range loaded.Members {
		if t, ended := r.ended(m.Life, now.Time); ended {
			stale = append(stale, m)
			if t.at.Before(began) {
				r.Lost(now.Time, true)
			}
			continue
		}
		m.Owner = intern(m.Owner)
		r.put(r.seen(m, now.StoreMs, nil))
	}
	r.state = Current
	return stale
}

// Owners lists the owners of members of other nodes that a load lacks, or has in an
// older state, when it shows that the store lost data: those that are dead will not
// restore them.
func (r *Replica) Owners(l *Reload, now time.Time) (owners []string) {
	r.noticeLoss(l, now)
	if r.state != Rebuilding {
		return nil
	}
	stands := make(map[string]bool, len(l.Members))
	for i := range l.Members {
		m := &l.Members[i]
		stands[m.ConnID] = !r.isOld(m)
	}
	for id, m := range r.members {
		if !stands[id] && !r.owner.Owns(id) && !slices.Contains(owners, m.Owner) {
			owners = append(owners, m.Owner)
		}
	}
	return owners
}

// noticeLoss looks for signs in a load that the store lost data. They do not prolong a
// rebuilding after a certain loss: what a load lacks in it is no sign of another one.
func (r *Replica) noticeLoss(l *Reload, now time.Time) {
	switch {
	case r.state == Rebuilding && r.sure:
	case l.DataLoss, l.Born == r.pos.Born && l.Seq < r.pos.Seq, r.wentBack(l, now):
		r.Lost(now, true)
	case r.state != Rebuilding && r.pos.Born != "" && l.Born != r.pos.Born:
		r.Lost(now, false)
	}
}

// wentBack reports whether a load has a member as it was before: in an older state than
// the one that is shown, or of a life that had ended when the load began.
func (r *Replica) wentBack(l *Reload, now time.Time) bool {
	for i := range l.Members {
		m := &l.Members[i]
		t, ended := r.ended(m.Life, now)
		if r.isOld(m) || ended && (l.Began.IsZero() || t.at.Before(l.Began)) {
			return true
		}
	}
	return false
}

// isOld reports whether a record is from before what is shown of its connection.
func (r *Replica) isOld(stored *store.Member) bool {
	shown := r.members[stored.ConnID]
	return shown != nil && shown.isNewerThan(stored)
}

// Difference is what a load changed.
type Difference struct {
	// Changes are what clients are to see, in order, numbered.
	Changes []*Change
	// Stale are members of lives that have ended. They have to be removed again.
	Stale []store.Member
}

// Reload makes a room that was loaded again the replica.
func (r *Replica) Reload(l *Reload, now Now) Difference {
	r.noticeLoss(l, now.Time)
	if r.awaitsLoad() {
		r.beginRebuilding(now.Time)
	}
	old, fresh := r.members, make(map[string]*Member, len(l.Members))
	var d Difference
	missing := make(map[string]struct{})
	for _, m := range l.Members {
		shown := old[m.ConnID]
		if _, ended := r.ended(m.Life, now.Time); ended {
			d.Stale = append(d.Stale, m)
			continue
		}
		if r.isOld(&m) && r.keeps(shown, l, now.Time) {
			continue // as if the load lacked it
		}
		r.ContinueLife(m.ConnID, m.Life)
		m.Owner = intern(m.Owner)
		fresh[m.ConnID] = r.seen(m, now.StoreMs, shown)
	}
	for id, m := range old {
		if fresh[id] == nil && r.keeps(m, l, now.Time) {
			fresh[id] = m
			missing[id] = struct{}{}
		}
	}
	r.missing = missing
	d.Changes = r.show(fresh, l, now)
	if l.Seq < r.pos.Seq {
		r.floor = r.Seq()
	}
	r.pos = l.Position
	if r.state != Rebuilding || len(missing) == 0 || !now.Time.Before(r.until) {
		r.state = Current
	}
	return d
}

// beginRebuilding notes the first load after a loss.
func (r *Replica) beginRebuilding(now time.Time) {
	r.until = now.Add(DoubtTime)
	if r.sure {
		r.until, r.lossAt = now.Add(RebuildTime), now
	}
}

// keeps tells whether a member that a load lacks, or has in an older state, is shown on
// for its owner to restore it. Those of this node are until it is known what became of
// them.
func (r *Replica) keeps(m *Member, l *Reload, now time.Time) bool {
	if _, ended := r.ended(m.Life, now); ended {
		return false
	}
	if r.owner.Owns(m.ConnID) {
		return true
	}
	return r.state == Rebuilding && now.Before(r.until) && !l.Dead[m.Owner] && l.reason(&m.Member) == ""
}

// show makes fresh what is shown, and returns the difference as ordinary events, each
// with the counts of its time.
func (r *Replica) show(fresh map[string]*Member, l *Reload, now Now) []*Change {
	changes := diff(r.members, fresh, r.Seq())
	users, old := countUsers(r.members), r.members
	r.members, r.roster = fresh, roster{}
	for _, c := range changes {
		switch c.Type {
		case wire.EventJoin:
			if c.Fresh {
				users[c.UserID]++
			}
		case wire.EventLeave:
			users[c.UserID]--
			m := &old[c.ConnID].Member
			if t, ok := r.ended(m.Life, now.Time); ok {
				c.Reason = t.Reason
			} else if why := l.reason(m); why != "" {
				c.Reason = why
			} else if r.state != Rebuilding { // the store lost nothing: it was removed
				r.settings.Tombstones.Add(EndOf(r.room, m, c.Reason), now.Time)
			}
		}
		c.Time, c.UserConns = time.UnixMilli(now.StoreMs), users[c.UserID]
		if c.Type != wire.EventLeave {
			r.tellSeen(c, fresh[c.ConnID])
		}
		r.number(c)
	}
	return changes
}
