package rooms

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Room is a room that the node has open: its replica, and who hears its events. It is open while
// a socket is in it or about to be, a member of this node is in grace, or the application
// subscribes to it.
type Room struct {
	all *Rooms // that it is one of
	ID  string

	// Guarded by Rooms.mu.
	refs  int
	place int // in Rooms.all, from 1; 0: it is not open any more

	ready chan struct{} // closed when open is done
	err   error         // why it failed; set before ready closes
	sub   store.Subscription

	openedHook bool // Observer.OpenReplica was called, so CloseReplica has to be
	closeOnce  sync.Once

	// Members are those of this node in the room.
	Members Members

	Mu            sync.Mutex
	Rep           *replica.Replica
	inSyncAt      time.Time // when the replica was last in line with the store
	loadStartedAt time.Time // when the load began that it is from
	// Loading: a load is under way, the first or a later one, and events are buffered; it is
	// not the state replica.Loading. loadAgain: one more load is to follow it.
	Loading, loadAgain bool
	Buffered           eventBuffer
	rebuilt            clock.Timer // loads the room again when a rebuilding ends; nil: none waits

	listeners   []*Listener // that get each of the room's events
	audience    *audience   // those that get several in one message; nil: there are none
	given       int64       // the highest seq at which a client was given members of the room
	subscribers []*Subscription
	waiters     []*Waiter

	snap            *Snapshot         // the last that was shared; it may be old
	snapEnds        clock.Timer       // when it is forgotten
	NextSnapshot    SharedBody        // waits to become the next; nil: none does
	SnapshotWaiters []*SnapshotWaiter // requests that wait for a snapshot
	Serving         bool              // a goroutine answers them
}

// Members is what a room needs of the members that this node owns in it. The room's lock
// is held in all of its methods, and none blocks.
type Members interface {
	replica.Owner
	// Changed says that the replica took an event.
	Changed(e *store.Event)
	// Loaded says that the room was loaded, and which members it has.
	Loaded(members []store.Member)
	// Stale says that the store has a member whose life has ended.
	Stale(m *store.Member, now time.Time)
	// Listener is what the socket of a member hears the room by; nil: it is not a member of this
	// node.
	Listener(connID string) *Listener
}

// Position is where the replica stands, as the store shall know it.
func (r *Room) Position() store.Position {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return r.Rep.Position()
}

// HandleEvent implements store.Receiver.
func (r *Room) HandleEvent(e store.Event) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if r.Loading {
		r.bufferEvent(e)
		return
	}
	r.receive(&e)
}

// HandleCast implements store.Receiver. Broadcasts are the cluster adapter's.
func (r *Room) HandleCast(_ string, payload []byte) {
	if len(payload) == 0 || payload[0] != wire.RoomEnd {
		return
	}
	end, err := wire.ParseEndNotice(payload[1:])
	if err != nil {
		r.all.Throttled.Warn("end of a member on another server not understood, so it may be shown for some seconds more; does that server run another version?", "room", r.ID, "error", err)
		return
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	t := replica.Tombstone{ConnID: end.ConnID, Life: end.Life, Owner: end.Owner, Reason: end.Reason}
	if r.Rep.NoteEnd(t, r.all.Clock.Now()) {
		r.Resync()
	}
}

// HandleInterrupt implements store.Receiver: whatever was missed, a
// resync finds it.
func (r *Room) HandleInterrupt(_ string, lost bool) { r.ScheduleResync(lost) }

// ScheduleResync has the room loaded again, not at once with all others of all nodes.
func (r *Room) ScheduleResync(lost bool) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if lost {
		r.Rep.Lost(r.all.Clock.Now(), true)
	}
	r.Rep.Suspect()
	r.all.Clock.AfterFunc(core.Jitter(), r.resyncLater)
}

// receive gives an event to the replica, shows what it changed, and sees to what it means
// to a member of this node. The lock is held.
func (r *Room) receive(e *store.Event) {
	now, before := r.all.moment(), r.Rep.Loaded()
	out := r.Rep.Receive(e, now)
	if out.Stale {
		r.Members.Stale(&e.Member, now.Time)
	}
	if !out.Taken {
		r.Resync()
		return
	}
	if r.Rep.Loaded() == e.Position {
		if e.Position != before { // one that a load had already says nothing of what came since
			r.inSyncAt = now.Time
		}
		r.publish(out.Change, &e.Member)
		if out.Change != nil {
			r.gather(out.Change)
		}
		r.Members.Changed(e)
	}
}

// ShownEpoch is the epoch of a connId that clients saw. The lock is held.
func (r *Room) ShownEpoch(connID string) int64 {
	if m := r.Rep.Member(connID); m != nil {
		return m.Epoch
	}
	return 0
}

// ReadSince reports whether the replica is from a load that began after a time, and none is
// under way. The lock is held.
func (r *Room) ReadSince(at time.Time) bool { return !r.Loading && !r.loadStartedAt.Before(at) }

// Shown is a member as clients see it, if they see it.
func (r *Room) Shown(connID string) (m store.Member, ok bool) {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if shown := r.Rep.Member(connID); shown != nil {
		return shown.Member, true
	}
	return m, false
}

// gather gives changes to those who take several in one message; after all of them the replica is as it
// is now. The lock is held.
func (r *Room) gather(changes ...*replica.Change) {
	if r.audience != nil && len(changes) > 0 {
		r.audience.take(changes)
	}
}

// publish gives an event to all who hear the room event by event, and tells who waits for this
// member that it arrived. A nil change is one that clients need not see. The
// lock is held.
func (r *Room) publish(c *replica.Change, m *store.Member) {
	var f Frame
	if c != nil {
		own := r.ownLeave(c)
		if len(r.listeners) > 0 || len(r.waiters) > 0 || own != nil {
			f = r.all.encodeEvent(&c.Shown)
		}
		for _, l := range r.listeners {
			l.To.Deliver(f)
		}
		if own != nil {
			own.To.Deliver(f)
		}
		for _, w := range r.subscribers {
			w.deliver(c.Event)
		}
	}
	for _, a := range r.waiters {
		if a.matches(m) {
			if c != nil && c.Type == wire.EventJoin {
				a.complete(f, c.Seq)
			} else {
				a.complete(nil, r.Rep.Seq())
			}
		}
	}
}

// ownLeave is the listener whose member a change removes, if it takes changes together: it is about to
// hear the room no more, so it is told at once. The lock is held.
func (r *Room) ownLeave(c *replica.Change) *Listener {
	if r.audience == nil || c.Type != wire.EventLeave {
		return nil
	}
	if l := r.Members.Listener(c.ConnID); l != nil && l.To != nil && l.Format.Batch {
		return l
	}
	return nil
}

// encodeEvent encodes an event for the sockets that hear it.
func (rs *Rooms) encodeEvent(event *wire.Shown) Frame {
	t := rs.Texts.Get(SmallText + len(event.State))
	defer rs.Texts.Put(t)
	var change series.Change
	t.B, change = wire.AppendEvent(t.B, event)
	return rs.Encode(t.B, change)
}
