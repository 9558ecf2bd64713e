package presence

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unique"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// intern keeps one copy of a node id, whatever number of members name it.
func (e *engine) intern(node string) string {
	if self := e.self(); node == self {
		return self
	}
	return unique.Make(node).Value()
}

// install makes a loaded room the replica. The lock is held.
func (r *room) install(loaded store.Room) {
	r.pos, r.shown = loaded.Position, loaded.Seq
	now := r.eng.storeNow()
	for _, m := range loaded.Members {
		m.Owner = r.eng.intern(m.Owner)
		r.members[m.ConnID] = r.noticed(m, now, nil)
	}
	r.resumeEvents()
}

// resumeEvents takes what came during a load. The lock is held.
func (r *room) resumeEvents() {
	r.loading, r.heardAt = false, r.eng.clock.Now()
	held := r.held.events
	r.held = heldEvents{}
	for i := range held {
		if r.loading {
			return // one of them asked for another load, and that has the rest
		}
		r.take(&held[i])
	}
	if r.again {
		r.again = false
		r.refetch()
	}
}

// refetch loads the room again, holding its events back, and shows the
// difference. One load serves all who ask while it is under way. The lock is held.
func (r *room) refetch() {
	if r.loading {
		r.again = true // what is asked about may be younger than that load
		return
	}
	r.loading = true
	r.reloadAfter(0, firstReloadWait)
}

// firstReloadWait and lastReloadWait are how long a room waits that could not be
// loaded: longer each time.
const (
	firstReloadWait = 100 * time.Millisecond
	lastReloadWait  = 2 * time.Second
)

// reloadAfter loads the room in a while, and again and again, until the store answers
// or nobody needs the room any more. It does not block.
func (r *room) reloadAfter(wait, next time.Duration) {
	e := r.eng
	load := func() { e.loads.run(r.id, func() { r.reload(next) }) }
	if wait == 0 {
		load()
		return
	}
	e.clock.AfterFunc(wait, func() {
		if e.ctx.Err() == nil && !r.abandoned() {
			load()
		}
	})
}

// reload is one try.
func (r *room) reload(wait time.Duration) {
	e := r.eng
	ctx, cancel := e.bounded()
	defer cancel()
	began := e.clock.Now()
	loaded, dead, err := r.read(ctx)
	if err != nil {
		e.faults.Warn("room not read from the store; trying again", "room", r.id, "error", err)
		r.reloadAfter(wait, min(2*wait, lastReloadWait))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reconcile(loaded, dead)
	r.readAt = began
}

// loadsAtOnce bounds the rooms that a node reads at the same time; those that take
// long apart.
const loadsAtOnce = 64

// read loads the room and, after a reset, which owners of members that are
// missing are dead.
func (r *room) read(ctx context.Context) (loaded store.Room, dead map[string]bool, err error) {
	e := r.eng
	if loaded, err = e.store.Load(ctx, r.id); err != nil {
		return loaded, nil, err
	}
	owners := r.missingOwners(&loaded)
	if len(owners) == 0 {
		return loaded, nil, nil
	}
	states, err := e.store.NodeStates(ctx, owners)
	if err != nil {
		return loaded, nil, err
	}
	dead = make(map[string]bool)
	for i, state := range states {
		dead[owners[i]] = state == store.NodeDead
	}
	return loaded, dead, nil
}

// missingOwners lists the owners of members that a reset room lost.
func (r *room) missingOwners(loaded *store.Room) (owners []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wasReset(loaded) == noReset {
		return nil
	}
	stands := make(map[string]bool, len(loaded.Members))
	for _, m := range loaded.Members {
		stands[m.ConnID] = true
	}
	for id, m := range r.members {
		if !stands[id] && r.owned[id] == nil && !slices.Contains(owners, m.Owner) {
			owners = append(owners, m.Owner)
		}
	}
	return owners
}

func (r *room) abandoned() bool {
	r.eng.mu.Lock()
	defer r.eng.mu.Unlock()
	return r.refs == 0
}

// sleep waits; it reports false when the engine closed meanwhile.
func (e *engine) sleep(d time.Duration) bool {
	return e.wait(e.ctx, d) == nil
}

// reconcile makes a loaded room the replica and shows the difference as
// ordinary events, folded: distinct rising seqs, a join or update its member's
// last write, a leave a free one in the gap. The lock is held.
func (r *room) reconcile(loaded store.Room, dead map[string]bool) {
	storeNow, fresh := r.eng.storeNow(), make(map[string]*member, len(loaded.Members))
	for _, m := range loaded.Members {
		m.Owner = r.eng.intern(m.Owner)
		fresh[m.ConnID] = r.noticed(m, storeNow, r.members[m.ConnID])
	}
	how := r.wasReset(&loaded)
	if how == noReset {
		r.keepOwn(r.members, fresh)
	} else {
		r.keep(how, r.members, fresh, dead)
	}
	r.dropGone(how, r.members, fresh)
	same := how != surelyReset && r.sameAs(fresh, &loaded)
	r.suspect = false
	events := difference(r.members, fresh, r.at())
	users, old := countUsers(r.members), r.members // each event's own, and after them all of fresh
	r.members = fresh
	for _, e := range events {
		switch e.Type {
		case EventJoin:
			users[e.UserID]++
		case EventLeave:
			m, now := &old[e.ConnID].Member, r.eng.clock.Now()
			if own := r.owned[e.ConnID]; own != nil && own.seat != nil && own.owner != r.eng.self() {
				e.Reason = ReasonNodeLost // this node was declared dead
			} else if r.gone.has(m, now) {
				e.Reason = r.gone.reason(e.ConnID)
			} else if why := r.heldReason(m); why != "" {
				e.Reason = why
			} else {
				guess := *m
				guess.JoinedMs = 0 // nobody said that this life ended: it is missing
				m = &guess
			}
			users[e.UserID]--
			r.noteLeft(m, e.Reason, now)
		}
		e.RoomID, e.Time, e.UserConns = r.id, time.UnixMilli(storeNow), users[e.UserID]
		if e.Type != EventLeave {
			r.tellSeen(e, fresh[e.ConnID])
		}
		r.show(e, shown(fresh, old, e.ConnID))
	}
	if r.users = nil; !same {
		r.users = users
		r.lookAgain()
	}
	if loaded.Seq < r.pos.Seq {
		r.floor = r.at()
	}
	r.pos = loaded.Position
	r.settleOwned(old)
	for _, a := range r.arrivals {
		if m := r.members[a.connID]; m != nil && a.isFor(&m.Member) {
			a.complete(nil, r.at())
		}
	}
	r.resumeEvents()
}

// lookAgain has a room that shows what the store has not loaded again: until then it
// counts its users itself. The lock is held.
func (r *room) lookAgain() {
	if r.looking || r.keeping { // which sees to that
		return
	}
	r.looking = true
	r.eng.clock.AfterFunc(keepMissing, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looking = false
		if r.users != nil && r.eng.ctx.Err() == nil {
			r.refetch()
		}
	})
}

// sameAs reports whether the members to be shown are those that the store has. The
// lock is held.
func (r *room) sameAs(fresh map[string]*member, loaded *store.Room) bool {
	if len(fresh) != len(loaded.Members) {
		return false
	}
	for _, m := range fresh {
		if m.unsure {
			return false
		}
	}
	return true
}

// heldReason is why a member left, by the events that are held back. The lock is held.
func (r *room) heldReason(m *store.Member) (why Reason) {
	for i := range r.held.events {
		e := &r.held.events[i]
		if e.Intent == store.IntentLeave && e.Member.ConnID == m.ConnID && e.Member.Epoch >= m.Epoch {
			why = e.Reason
		}
	}
	return why
}

// shown is the member that an event of a fold is about.
func shown(now, before map[string]*member, connID string) *store.Member {
	if m := now[connID]; m != nil {
		return &m.Member
	}
	return &before[connID].Member
}

// settleOwned lets go of members that another node took over or removed while
// this one did not hear the room. The lock is held.
func (r *room) settleOwned(old map[string]*member) {
	for id, own := range r.owned {
		now, epoch := r.members[id], own.epoch.Load()
		switch {
		case now == nil && old[id] != nil && own.removed:
			r.evict(own, evictRemoved, r.gone.reason(id))
		case now == nil && old[id] != nil:
			r.question(own)
		case now != nil && now.Owner != own.owner && now.Epoch >= epoch && now.UntilMs > 0 && own.seat != nil:
			r.restoreLive(own) // taken over without a socket
		case now != nil && now.Owner != own.owner && now.Epoch >= epoch:
			r.evict(own, evictMoved, "")
		}
	}
}

// difference lists the events that lead from one set of members to another,
// for clients that stand at seq at, in the order of their seqs.
func difference(from, to map[string]*member, at int64) []*Event {
	var d folded
	for id, m := range to {
		old := from[id]
		switch {
		case old != nil && old.UserID != m.UserID:
			d.changes = append(d.changes, change{leaveOf(&old.Member), eventOf(EventJoin, &m.Member)})
		case old == nil:
			d.events = append(d.events, eventOf(EventJoin, &m.Member))
		case !sameToClients(&old.Member, &m.Member):
			d.events = append(d.events, eventOf(EventUpdate, &m.Member))
		}
	}
	for id, m := range from {
		if to[id] == nil {
			d.leaves = append(d.leaves, leaveOf(&m.Member))
		}
	}
	return d.number(at)
}

// folded is a difference before its events have their numbers.
type folded struct {
	changes        []change // of users: the leave goes before the join
	events, leaves []*Event
}

type change struct{ leave, join *Event }

// number gives each event a seq of its own above at: joins and updates keep
// that of their member's last write where it is one, the rest take free ones,
// the lowest first for leaves that somebody's join must follow.
func (d *folded) number(at int64) []*Event {
	slices.SortFunc(d.changes, func(a, b change) int { return cmp.Compare(a.join.Seq, b.join.Seq) })
	all := slices.Clone(d.events)
	for _, c := range d.changes {
		all = append(all, c.join)
	}
	used := make(map[int64]bool, len(all))
	var homeless []*Event
	for _, e := range all {
		if e.Seq <= at || used[e.Seq] {
			homeless = append(homeless, e)
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
	for _, c := range d.changes {
		c.leave.Seq = next()
		all = append(all, c.leave)
	}
	for _, e := range slices.Concat(d.leaves, homeless) {
		e.Seq = next()
	}
	for _, c := range d.changes {
		if c.join.Seq < c.leave.Seq { // no number was left below it
			c.join.Seq = next()
		}
	}
	all = append(all, d.leaves...)
	slices.SortFunc(all, func(a, b *Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

func eventOf(t EventType, m *store.Member) *Event {
	return &Event{
		Type: t, UserID: m.UserID, ConnID: m.ConnID, State: m.State, Epoch: m.Epoch, Seq: m.Seq, Status: statusOf(m.Away),
		fresh: t == EventJoin,
	}
}

// leaveOf is the leave of a member of which only the absence is known.
func leaveOf(m *store.Member) *Event {
	return &Event{Type: EventLeave, UserID: m.UserID, ConnID: m.ConnID, Epoch: m.Epoch, Reason: ReasonDisconnect}
}

func countUsers(members map[string]*member) map[string]int {
	users := make(map[string]int, len(members))
	for _, m := range members {
		users[m.UserID]++
	}
	return users
}
