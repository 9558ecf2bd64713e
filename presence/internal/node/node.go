// Package node is how a node of the cluster lives, and what it does when others die.
//
// Once a second it gives its life sign, which renews its lease. The answer brings the
// store's time and says whether the store lost data, whether other nodes declared this
// one dead, and which nodes are dead. The reaper looks through the rooms that a dead node
// left in the index of rooms. An Index keeps the rooms of this node there. The orphan
// sweep finds owners that nobody declares dead, since the store lost their life sign.
//
// The package knows nodes and the names of rooms. What is in the rooms is the Host's.
package node

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Store is what the package needs of a store.Store.
type Store interface {
	Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error)
	MarkDead(ctx context.Context, node string) error
	Retire(ctx context.Context, node string) error
	NodeStates(ctx context.Context, nodes []string) ([]store.NodeState, error)
	Claim(ctx context.Context, dead, by string) (bool, error)
	NodeDone(ctx context.Context, dead string) error
	NodeRooms(ctx context.Context, node, cursor string, limit int) (rooms []string, next string, err error)
	AddRoom(ctx context.Context, n store.NodeRoom) error
	RemoveRoom(ctx context.Context, n store.NodeRoom) error
}

// Host is what a node asks of what is around it. All methods may be called at the same
// time from any goroutine. Only ReapRoom may block. Draining and Start are called with a
// lock of the node held: they call no method of the node.
type Host interface {
	// DeclaredDead says that the other nodes declared this one dead, and for how long it
	// had given no life sign. It is called while Node.ID still returns the dead id; when it
	// returns, Node.ID changes.
	DeclaredDead(silence time.Duration)
	// Reborn says that the first life sign under the new id is given: members may stand
	// under it now.
	Reborn()
	// DataLost says that the store did not know this node any more: it lost data.
	DataLost()

	// Draining reports whether the node drains: it then begins no work on other nodes.
	Draining() bool
	// Start runs f on a goroutine of its own. It reports false, and runs nothing, when the
	// host is closed.
	Start(f func()) bool
	// Run has f run when the room has its turn in a pool that bounds how many run at once,
	// and in which no room has to wait for another one that is slow. When the host is
	// closed, f may never run.
	Run(room string, f func())
	// Owners lists the owners of members that this node shows, with the rooms in which it
	// shows them: other nodes, and this node itself only where it shows a member as its own
	// that it does not know.
	Owners() map[string][]string
	// ReapRoom removes or takes over the members of a room whose owner is that node, but
	// none that is connected to this node or known as its own. It is called in a turn of
	// the room, or by Index.Sweep with the id of this node. It returns an error when any of
	// them is left. It bounds each call of the store by itself; ctx ends when the host closes
	// or another node becomes the claimant.
	ReapRoom(ctx context.Context, owner, room string) error
}

// Options are what a Node is made of. All fields are required.
type Options struct {
	Store Store
	Host  Host
	Clock clock.Clock
	// Lease is for how long a life sign is good: the same on all nodes.
	Lease time.Duration
	// StoreTimeout is how long one call of the store may take.
	StoreTimeout time.Duration
	// Log should leave out lines that are repeated: a fault may last, or be of many rooms.
	Log *slog.Logger
}

// Node is one node of the cluster. Methods are safe for concurrent use unless they say
// otherwise.
type Node struct {
	Options
	// Time is the store's time, learnt from each life sign.
	Time StoreClock

	id     atomic.Pointer[string]
	lease  lease
	reaper reaper
}

// New returns a node with an id that was never used before. It does nothing before the
// first Renew.
func New(o Options) *Node {
	n := &Node{Options: o}
	n.reaper.dead = make(map[string]*deadNode)
	n.rename()
	return n
}

// ID is the node's id. It changes when other nodes declared this one dead.
func (n *Node) ID() string { return *n.id.Load() }

// rename gives the node an id that was never used before: 12 random bytes, URL-safe.
func (n *Node) rename() {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	id := base64.RawURLEncoding.EncodeToString(b[:])
	n.id.Store(&id)
}

// Expiry is the store's time, in Unix ms, after which a write that is sent now shall do
// nothing: its caller has given up by then, because ctx or the StoreTimeout ended.
func (n *Node) Expiry(ctx context.Context) int64 {
	now, left := n.Clock.Now(), n.StoreTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, deadline.Sub(now))
	}
	return n.Time.At(now) + left.Milliseconds()
}

// bounded is a context for one call of the store.
func (n *Node) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, n.StoreTimeout)
}

// SignOff is the last that the store hears of the node; the life signs have ended before.
// left says that something of the node is in the store, or may be: a member in grace that
// was handed over, a write in doubt. The node is then marked dead, and the claimant sees
// to the rest. Otherwise its entries in the index of rooms are removed, which stay for a
// while after a room was closed, and its life sign with them. It blocks for at most ctx;
// after an error the other nodes find this one dead when its lease is over.
func (n *Node) SignOff(ctx context.Context, left bool) error {
	left = left || n.removeRooms(ctx) != nil
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if left {
		return n.Store.MarkDead(ctx, n.ID())
	}
	return n.Store.Retire(ctx, n.ID())
}

// removeRooms removes what the index of rooms has of this node: it lists its own rooms as those
// of a dead node are listed.
func (n *Node) removeRooms(ctx context.Context) error {
	for room, err := range n.rooms(ctx, n.ID(), new(deadNode), false) {
		if err == nil {
			err = n.removeRoom(ctx, n.ID(), room)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
