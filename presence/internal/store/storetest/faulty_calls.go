package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// The methods of store.Store. Slices are copied, since a call may run after
// its caller has them back.

// Put implements store.Store.
func (f *Faulty) Put(ctx context.Context, p store.Put) (store.PutResult, error) {
	return f.putAs(ctx, p, f.decide(putCall(&p)))
}

func (f *Faulty) putAs(ctx context.Context, p store.Put, fault Fault) (store.PutResult, error) {
	p.Member.State = bytes.Clone(p.Member.State)
	return doAs(ctx, f, putCall(&p), fault, func(ctx context.Context) (store.PutResult, error) {
		return f.Backend.Put(ctx, p)
	})
}

func putCall(p *store.Put) Call { return Call{"Put", p.Room, p.Member.Owner} }

// Enter implements store.Store: a fault may come between any of its steps.
func (f *Faulty) Enter(ctx context.Context, p store.Put, seenMs int64) (store.PutResult, error) {
	return store.Steps(ctx, f, p, seenMs)
}

// Remove implements store.Store.
func (f *Faulty) Remove(ctx context.Context, r store.Remove) (store.RemoveResult, error) {
	return do(ctx, f, Call{"Remove", r.Room, ""}, func(ctx context.Context) (store.RemoveResult, error) {
		return f.Backend.Remove(ctx, r)
	})
}

// Load implements store.Store.
func (f *Faulty) Load(ctx context.Context, room string) (store.Room, error) {
	return do(ctx, f, Call{"Load", room, ""}, func(ctx context.Context) (store.Room, error) {
		return f.Backend.Load(ctx, room)
	})
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
	rooms = slices.Clone(rooms)
	return do(ctx, f, Call{"Positions", "", ""}, func(ctx context.Context) ([]store.Position, error) {
		return f.Backend.Positions(ctx, rooms)
	})
}

// Publish implements store.Store.
func (f *Faulty) Publish(ctx context.Context, room string, payload []byte) error {
	payload = bytes.Clone(payload)
	return do0(ctx, f, Call{"Publish", room, ""}, func(ctx context.Context) error {
		return f.Backend.Publish(ctx, room, payload)
	})
}

// PublishNodes implements store.Store.
func (f *Faulty) PublishNodes(ctx context.Context, payload []byte) error {
	payload = bytes.Clone(payload)
	return do0(ctx, f, Call{"PublishNodes", "", ""}, func(ctx context.Context) error {
		return f.Backend.PublishNodes(ctx, payload)
	})
}

// Register implements store.Store.
func (f *Faulty) Register(ctx context.Context, e store.Entry) error {
	return do0(ctx, f, Call{"Register", e.Room, e.Node}, func(ctx context.Context) error {
		return f.Backend.Register(ctx, e)
	})
}

// Unregister implements store.Store.
func (f *Faulty) Unregister(ctx context.Context, e store.Entry) error {
	return do0(ctx, f, Call{"Unregister", e.Room, e.Node}, func(ctx context.Context) error {
		return f.Backend.Unregister(ctx, e)
	})
}

// UserMembers implements store.Store.
func (f *Faulty) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	return do(ctx, f, Call{"UserMembers", "", ""}, func(ctx context.Context) ([]store.Location, error) {
		return f.Backend.UserMembers(ctx, userID)
	})
}

// ConnJoin implements store.Store.
func (f *Faulty) ConnJoin(ctx context.Context, c store.Conn) error {
	return do0(ctx, f, Call{"ConnJoin", c.Room, c.Node}, func(ctx context.Context) error {
		return f.Backend.ConnJoin(ctx, c)
	})
}

// ConnLeave implements store.Store.
func (f *Faulty) ConnLeave(ctx context.Context, c store.Conn) error {
	return do0(ctx, f, Call{"ConnLeave", c.Room, c.Node}, func(ctx context.Context) error {
		return f.Backend.ConnLeave(ctx, c)
	})
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
	return do(ctx, f, Call{"Beat", "", b.Node}, func(ctx context.Context) (store.Beat, error) {
		return f.Backend.Beat(ctx, b)
	})
}

// MarkDead implements store.Store.
func (f *Faulty) MarkDead(ctx context.Context, node string) error {
	return do0(ctx, f, Call{"MarkDead", "", node}, func(ctx context.Context) error {
		return f.Backend.MarkDead(ctx, node)
	})
}

// Retire implements store.Store.
func (f *Faulty) Retire(ctx context.Context, node string) error {
	return do0(ctx, f, Call{"Retire", "", node}, func(ctx context.Context) error {
		return f.Backend.Retire(ctx, node)
	})
}

// Claim implements store.Store.
func (f *Faulty) Claim(ctx context.Context, dead, by string) (bool, error) {
	return do(ctx, f, Call{"Claim", "", by}, func(ctx context.Context) (bool, error) {
		return f.Backend.Claim(ctx, dead, by)
	})
}

// NodeEntries implements store.Store.
func (f *Faulty) NodeEntries(ctx context.Context, node string, limit int) ([]store.Entry, error) {
	return do(ctx, f, Call{"NodeEntries", "", ""}, func(ctx context.Context) ([]store.Entry, error) {
		return f.Backend.NodeEntries(ctx, node, limit)
	})
}

// NodeDone implements store.Store.
func (f *Faulty) NodeDone(ctx context.Context, dead string) error {
	return do0(ctx, f, Call{"NodeDone", "", ""}, func(ctx context.Context) error {
		return f.Backend.NodeDone(ctx, dead)
	})
}

// NodeStates implements store.Store.
func (f *Faulty) NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error) {
	nodes = slices.Clone(nodes)
	return do(ctx, f, Call{"NodeStates", "", ""}, func(ctx context.Context) ([]store.NodeState, error) {
		return f.Backend.NodeStates(ctx, nodes)
	})
}
