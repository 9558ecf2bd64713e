package rooms

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/fold"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Frame is an event encoded once for every socket that gets it.
type Frame interface {
	// Namespace is that of the sockets.
	Namespace() string
}

// Observer hears of rooms that the node opens, before anybody is in them, and
// closes. OpenReplica blocks for at most ctx, CloseReplica does not.
type Observer interface {
	OpenReplica(ctx context.Context, room string) error
	CloseReplica(room string)
}

// Options are what rooms need of what is around the node.
type Options struct {
	// Encode makes the frame of an event. It keeps nothing of the text.
	Encode   func(event []byte, c series.Change) Frame
	Observer Observer                  // nil: not called
	Share    func(size int) SharedBody // makes the texts that answers have in common
	// Pace is how rooms begin to tell changes to those who take several in one message.
	Pace fold.Pace
}

// Rooms are the rooms that a node has open.
type Rooms struct {
	*core.Node
	Options
	replicaSettings replica.Settings
	loadPool        *serial.FairPool // of rooms that are being read again
	// NewMembers is called for each room that is opened. It is set before the first is.
	NewMembers func(*Room) Members

	mu   sync.Mutex
	open map[string]*Room // nil: closed
	// all are the same rooms in no order; each knows its place. A list too, since it is walked all the
	// time, and what is in it tells of nearly all rooms that they need no look.
	all []known
}

// known is a room that is open, and when its replica was in line with the store, as far as was looked.
type known struct {
	*Room
	inSync time.Time
}

// add makes a room one of those that are open. rs.mu is held.
func (rs *Rooms) add(r *Room) {
	rs.open[r.ID] = r
	rs.all = append(rs.all, known{Room: r})
	r.place = len(rs.all)
	rs.Index.Opened(r.ID)
}

// remove makes a room none of them. rs.mu is held.
func (rs *Rooms) remove(r *Room) {
	if rs.open[r.ID] != r {
		return
	}
	delete(rs.open, r.ID)
	i, last := r.place-1, len(rs.all)-1
	rs.all[i] = rs.all[last]
	rs.all[i].place = i + 1
	r.place = 0
	rs.all[last] = known{}
	rs.all = rs.all[:last]
	if c := cap(rs.all); c > 1024 && last < c/4 {
		rs.all = append(make([]known, 0, c/2), rs.all...)
	}
	rs.Index.Closed(r.ID)
}

// New returns the rooms of a node: none is open.
func New(n *core.Node, o Options) *Rooms {
	return &Rooms{
		Node: n, Options: o, open: make(map[string]*Room),
		replicaSettings: replica.Settings{Lease: n.LeaseTime, SilentAfter: n.SilentAfter, Tombstones: &n.Tombstones},
		loadPool:        n.NewPool(LoadsAtOnce),
	}
}

// Close closes every room. The node's goroutines have ended.
func (rs *Rooms) Close() {
	rs.mu.Lock()
	open := rs.open
	rs.open, rs.all = nil, nil
	rs.mu.Unlock()
	for _, r := range open {
		r.closeSubscribers()
		r.shut()
		r.Mu.Lock()
		r.dropNextSnapshot()
		r.Mu.Unlock()
	}
}

// Acquire returns a room, opened if need be, and takes a reference to it; Release gives that
// back. It blocks for at most ctx, and fails when the
// node ends.
func (rs *Rooms) Acquire(ctx context.Context, id string) (*Room, error) {
	rs.mu.Lock()
	if rs.open == nil || rs.Ctx.Err() != nil {
		rs.mu.Unlock()
		return nil, store.ErrClosed
	}
	r := rs.open[id]
	if r == nil {
		r = &Room{
			all: rs, ID: id, ready: make(chan struct{}), Loading: true,
		}
		r.Members = rs.NewMembers(r)
		r.Rep = replica.New(id, &rs.replicaSettings, r.Members)
		if !rs.TryGo(r.open) {
			rs.mu.Unlock()
			return nil, store.ErrClosed
		}
		rs.add(r)
	}
	r.refs++
	rs.mu.Unlock()
	select {
	case <-r.ready:
		if r.err != nil {
			r.Release()
			return nil, r.err
		}
		return r, nil
	case <-ctx.Done():
		r.Release()
		return nil, fmt.Errorf("open room %q: %w", id, ctx.Err())
	}
}

// Release gives a reference back; the last one closes the room.
func (r *Room) Release() {
	rs := r.all
	rs.mu.Lock()
	r.refs--
	last := r.refs == 0
	if last {
		rs.remove(r)
	}
	rs.mu.Unlock()
	if last {
		r.shut()
	}
}

// Retain takes another reference to a room that is referred to already.
func (r *Room) Retain() {
	r.all.mu.Lock()
	r.refs++
	r.all.mu.Unlock()
}

// Of returns the open room of an id; nil: it is not open.
func (rs *Rooms) Of(id string) *Room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.open[id]
}

// All lists the rooms that are open, or about to be.
func (rs *Rooms) All() []*Room {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	list := make([]*Room, len(rs.all))
	for i := range rs.all {
		list[i] = rs.all[i].Room
	}
	return list
}

// moment is now, as the replica wants it.
func (rs *Rooms) moment() replica.Now {
	now := rs.Clock.Now()
	return replica.Now{Time: now, StoreMs: rs.StoreTime(now)}
}

// MembersOf reads a room from the replica if there is one, else from the store.
func (rs *Rooms) MembersOf(ctx context.Context, id string) ([]wire.Member, error) {
	if r := rs.Of(id); r != nil {
		select {
		case <-r.ready:
			if r.err == nil {
				r.Mu.Lock()
				defer r.Mu.Unlock()
				return r.members(), nil
			}
		default:
		}
	}
	loaded, err := rs.Store.Load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("presence: members of room: %w", err)
	}
	now, members := rs.StoreNow(), make([]wire.Member, len(loaded.Members))
	for i := range loaded.Members {
		m := &loaded.Members[i]
		members[i] = PublicMember(m, replica.SeenMs(m, now, 0, rs.LeaseTime))
	}
	return members, nil
}
