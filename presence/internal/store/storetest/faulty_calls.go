package storetest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// The methods of store.Store. Slices are copied, since a call may run after
// its caller has them back.

// startLag is by how much a started put that hangs outlasts its context.
const startLag = 50 * time.Millisecond

// StartPut implements store.Store. To a Plan its name is Put. A failure that comes at once
// is told by StartPut itself, whatever else by a goroutine; one that hangs as late as a
// store may.
func (f *Faulty) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	c := Call{"Put", p.Room, p.Member.Owner}
	fault := f.decide(c)
	tell := func() {
		q := *p
		q.Member.State = bytes.Clone(p.Member.State)
		res, err := doAs(ctx, f, c, fault, func(ctx context.Context) (store.PutResult, error) {
			return store.PutAndWait(ctx, f.Backend, q)
		})
		if fault.Kind == Hang || fault.Kind == HangLate {
			f.lag()
		}
		w.PutDone(res, err)
	}
	if fault.Kind == FailBefore && !f.Frozen() || !f.start(tell) {
		tell()
	}
}

// lag blocks for startLag and while the process stands still.
func (f *Faulty) lag() {
	select {
	case <-time.After(startLag):
		f.Wait()
	case <-f.pause.killed:
	}
}

// Enter implements store.Store: a fault may come between any of its steps.
func (f *Faulty) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, f, q)
}

// Remove implements store.Store.
func (f *Faulty) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	return do1(ctx, f, Call{"Remove", r.Room, ""}, f.Backend.Remove, r)
}

// Load implements store.Store.
func (f *Faulty) Load(ctx context.Context, room string) (store.Room, error) {
	return do1(ctx, f, Call{"Load", room, ""}, f.Backend.Load, room)
}

// LoadMembers implements store.Store.
func (f *Faulty) LoadMembers(ctx context.Context, room string, connIDs []string) (store.Room, error) {
	connIDs = slices.Clone(connIDs)
	return do(ctx, f, Call{"LoadMembers", room, ""}, func(ctx context.Context) (store.Room, error) {
		return f.Backend.LoadMembers(ctx, room, connIDs)
	})
}

// Positions implements store.Store.
func (f *Faulty) Positions(ctx context.Context, rooms []string) ([]store.Position, error) {
	return do1(ctx, f, Call{"Positions", "", ""}, f.Backend.Positions, slices.Clone(rooms))
}

// Publish implements store.Store.
func (f *Faulty) Publish(ctx context.Context, room string, payload []byte) error {
	publish := func(ctx context.Context, payload []byte) error { return f.Backend.Publish(ctx, room, payload) }
	return do0(ctx, f, Call{"Publish", room, ""}, publish, bytes.Clone(payload))
}

// PublishNodes implements store.Store.
func (f *Faulty) PublishNodes(ctx context.Context, payload []byte) error {
	return do0(ctx, f, Call{"PublishNodes", "", ""}, f.Backend.PublishNodes, bytes.Clone(payload))
}

// AddUser implements store.Store.
func (f *Faulty) AddUser(ctx context.Context, u store.UserEntry) error {
	return do0(ctx, f, Call{"AddUser", u.Room, ""}, f.Backend.AddUser, u)
}

// RemoveUser implements store.Store.
func (f *Faulty) RemoveUser(ctx context.Context, u store.UserEntry) error {
	return do0(ctx, f, Call{"RemoveUser", u.Room, ""}, f.Backend.RemoveUser, u)
}

// UserMembers implements store.Store.
func (f *Faulty) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	return do1(ctx, f, Call{"UserMembers", "", ""}, f.Backend.UserMembers, userID)
}

// AddRoom implements store.Store.
func (f *Faulty) AddRoom(ctx context.Context, n store.NodeRoom) error {
	return do0(ctx, f, Call{"AddRoom", n.Room, n.Node}, f.Backend.AddRoom, n)
}

// RemoveRoom implements store.Store.
func (f *Faulty) RemoveRoom(ctx context.Context, n store.NodeRoom) error {
	return do0(ctx, f, Call{"RemoveRoom", n.Room, n.Node}, f.Backend.RemoveRoom, n)
}

// NodeRooms implements store.Store.
func (f *Faulty) NodeRooms(ctx context.Context, node, cursor string, limit int) ([]string, string, error) {
	return doPage(ctx, f, Call{"NodeRooms", "", ""}, func(ctx context.Context) ([]string, string, error) {
		return f.Backend.NodeRooms(ctx, node, cursor, limit)
	})
}

// ScanMembers implements store.Store.
func (f *Faulty) ScanMembers(ctx context.Context, room, cursor string, limit int) ([]store.Member, string, error) {
	return doPage(ctx, f, Call{"ScanMembers", room, ""}, func(ctx context.Context) ([]store.Member, string, error) {
		return f.Backend.ScanMembers(ctx, room, cursor, limit)
	})
}

// ConnJoin implements store.Store.
func (f *Faulty) ConnJoin(ctx context.Context, c store.Conn) error {
	return do0(ctx, f, Call{"ConnJoin", c.Room, c.Node}, f.Backend.ConnJoin, c)
}

// ConnLeave implements store.Store.
func (f *Faulty) ConnLeave(ctx context.Context, c store.Conn) error {
	return do0(ctx, f, Call{"ConnLeave", c.Room, c.Node}, f.Backend.ConnLeave, c)
}

// ConnRefresh implements store.Store.
func (f *Faulty) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	seen = slices.Clone(seen)
	return do(ctx, f, Call{"ConnRefresh", "", node}, func(ctx context.Context) ([]string, error) {
		return f.Backend.ConnRefresh(ctx, node, seen)
	})
}

// Beat implements store.Store.
func (f *Faulty) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	return do1(ctx, f, Call{"Beat", "", b.Node}, f.Backend.Beat, b)
}

// MarkDead implements store.Store.
func (f *Faulty) MarkDead(ctx context.Context, node string) error {
	return do0(ctx, f, Call{"MarkDead", "", node}, f.Backend.MarkDead, node)
}

// Retire implements store.Store.
func (f *Faulty) Retire(ctx context.Context, node string) error {
	return do0(ctx, f, Call{"Retire", "", node}, f.Backend.Retire, node)
}

// Claim implements store.Store.
func (f *Faulty) Claim(ctx context.Context, dead, by string) (bool, error) {
	return do(ctx, f, Call{"Claim", "", by}, func(ctx context.Context) (bool, error) {
		return f.Backend.Claim(ctx, dead, by)
	})
}

// NodeDone implements store.Store.
func (f *Faulty) NodeDone(ctx context.Context, dead string) error {
	return do0(ctx, f, Call{"NodeDone", "", ""}, f.Backend.NodeDone, dead)
}

// NodeStates implements store.Store.
func (f *Faulty) NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error) {
	return do1(ctx, f, Call{"NodeStates", "", ""}, f.Backend.NodeStates, slices.Clone(nodes))
}
