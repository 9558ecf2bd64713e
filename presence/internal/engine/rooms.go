package engine

import (
	"context"
	"sync"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
)

// Frame is an event encoded once for every socket that gets it.
type Frame interface {
	// Namespace is that of the sockets.
	Namespace() string
}

// RoomObserver hears of rooms that the node opens, before anybody is in them, and
// closes. OpenReplica blocks for at most ctx, CloseReplica does not.
type RoomObserver interface {
	OpenReplica(ctx context.Context, room string) error
	CloseReplica(room string)
}

// RoomOptions are what rooms need of what is around the node.
type RoomOptions struct {
	// Encode makes the frame of an event. It keeps nothing of the text.
	Encode   func(event []byte, c series.Change) Frame
	Observer RoomObserver              // nil: not called
	Share    func(size int) SharedBody // makes the texts that answers have in common
}

// Rooms are the rooms that a node has open.
type Rooms struct {
	*Node
	RoomOptions
	replicaSettings replica.Settings
	loadPool        *serial.FairPool // of rooms that are being read again
	// newMembers is called for each room that is opened. It is set before the first is.
	newMembers func(*room) roomMembers

	mu   sync.Mutex
	open map[string]*room // nil: closed
}

// newRooms returns the rooms of a node: none is open.
func newRooms(n *Node, o RoomOptions) *Rooms {
	return &Rooms{
		Node: n, RoomOptions: o, open: make(map[string]*room),
		replicaSettings: replica.Settings{Lease: n.LeaseTime, SilentAfter: n.SilentAfter, Tombstones: &n.tombstones},
		loadPool:        n.newPool(loadsAtOnce),
	}
}

// close closes every room. The node's goroutines have ended.
func (e *Rooms) close() {
	e.mu.Lock()
	open := e.open
	e.open = nil
	e.mu.Unlock()
	for _, r := range open {
		r.closeSubscribers()
		r.shut()
		r.mu.Lock()
		r.dropNextSnapshot()
		r.mu.Unlock()
	}
}
