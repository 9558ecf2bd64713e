package replica

import (
	"iter"
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// roster is what a replica keeps of its members for clients that are not given all of them. It is made
// when the first of them asks, and then follows the members.
type roster struct {
	users map[string]int // connections of each user; nil: not made
	order []*Member      // by connId; nil: not made
}

// find is where a connId stands in the order, or would stand.
func (o *roster) find(connID string) (at int, found bool) {
	return slices.BinarySearchFunc(o.order, connID, func(m *Member, id string) int { return strings.Compare(m.ConnID, id) })
}

// put notes a member that is shown from now on; before is what was shown of the connection, if any.
func (o *roster) put(m, before *Member) {
	if o.order != nil {
		if i, found := o.find(m.ConnID); found {
			o.order[i] = m
		} else {
			o.order = slices.Insert(o.order, i, m)
		}
	}
	if o.users == nil || before != nil && before.UserID == m.UserID {
		return
	}
	if before != nil {
		o.leave(before.UserID)
	}
	o.users[m.UserID]++
}

// remove notes a member that is not shown any more.
func (o *roster) remove(m *Member) {
	if o.order != nil {
		if i, found := o.find(m.ConnID); found {
			o.order = slices.Delete(o.order, i, i+1)
		}
	}
	if o.users != nil {
		o.leave(m.UserID)
	}
}

func (o *roster) leave(user string) {
	if o.users[user]--; o.users[user] <= 0 {
		delete(o.users, user)
	}
}

// put shows a member.
func (r *Replica) put(m *Member) {
	r.roster.put(m, r.members[m.ConnID])
	r.members[m.ConnID] = m
}

// remove shows a member no more.
func (r *Replica) remove(m *Member) {
	r.roster.remove(m)
	delete(r.members, m.ConnID)
}

// Total is how many are shown.
func (r *Replica) Total() wire.Total {
	if r.roster.users == nil {
		if len(r.members) < fewMembers {
			return wire.Total{Members: len(r.members), Users: len(countUsers(r.members))}
		}
		r.roster.users = countUsers(r.members)
	}
	return wire.Total{Members: len(r.members), Users: len(r.roster.users)}
}

// Conns is how many members a user has, of those that are shown.
func (r *Replica) Conns(user string) int {
	if r.roster.users != nil {
		return r.roster.users[user]
	}
	return r.connsOf(user)
}

// Behind yields the members that are shown behind a place in the order of their connIds; "" is the
// place before the first.
func (r *Replica) Behind(place string) iter.Seq[*Member] {
	if r.roster.order == nil {
		order := make([]*Member, 0, len(r.members)+len(r.members)/8)
		for _, m := range r.members {
			order = append(order, m)
		}
		slices.SortFunc(order, func(a, b *Member) int { return strings.Compare(a.ConnID, b.ConnID) })
		r.roster.order = order
	}
	at, found := r.roster.find(place)
	if found {
		at++
	}
	return slices.Values(r.roster.order[at:])
}
