package presence

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/store"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// cluster is the Socket.IO adapter over the bridge: broadcasts reach the
// sockets of every node. One to a single room goes over the room's channel, so
// that only nodes with sockets in it hear of it; the others go to all nodes.
type cluster struct {
	eng   *engine
	io    *socketio.Server
	nodes store.Subscription

	mu        sync.Mutex
	interests map[string]*interest
	closed    bool
	wg        sync.WaitGroup
}

// interest is a room with local sockets. Its subscription follows count.
type interest struct {
	count int  // namespaces with sockets in the room
	busy  bool // a goroutine makes the subscription follow
	sub   store.Subscription
}

func newCluster(ctx context.Context, e *engine, io *socketio.Server) (*cluster, error) {
	c := &cluster{eng: e, io: io, interests: make(map[string]*interest)}
	var err error
	if c.nodes, err = e.store.SubscribeNodes(ctx, c); err != nil {
		return nil, fmt.Errorf("presence: subscribe to broadcasts: %w", err)
	}
	if err := io.SetAdapter(c); err != nil {
		c.nodes.Close()
		return nil, fmt.Errorf("presence: %w", err)
	}
	return c, nil
}

// close takes the adapter off the server and ends its subscriptions.
func (c *cluster) close() {
	_ = c.io.SetAdapter(nil) // taking off cannot fail
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
	c.nodes.Close()
	for _, in := range c.interests {
		if in.sub != nil {
			in.sub.Close()
		}
	}
}

// RoomOpened implements socketio.Adapter.
func (c *cluster) RoomOpened(_, room string) { c.change(room, 1) }

// RoomClosed implements socketio.Adapter.
func (c *cluster) RoomClosed(_, room string) { c.change(room, -1) }

func (c *cluster) change(room string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.interests[room]
	if in == nil {
		in = &interest{}
		c.interests[room] = in
	}
	in.count += by
	if !in.busy && !c.closed {
		in.busy = true
		c.wg.Go(func() { c.follow(room, in) })
	}
}

// follow subscribes and unsubscribes until that fits what is wanted.
func (c *cluster) follow(room string, in *interest) {
	for {
		c.mu.Lock()
		want, has := in.count > 0 && !c.closed, in.sub != nil
		if want == has {
			in.busy = false
			if in.count == 0 {
				delete(c.interests, room)
			}
			c.mu.Unlock()
			return
		}
		old := in.sub
		in.sub = nil
		c.mu.Unlock()
		if !want {
			old.Close()
			continue
		}
		ctx, cancel := c.eng.bounded()
		sub, err := c.eng.store.Subscribe(ctx, room, c)
		cancel()
		if err != nil {
			c.eng.log.Warn("subscribe to a room's broadcasts failed", "room", room, "error", err)
			if !c.eng.sleep(mendInterval) {
				return
			}
			continue
		}
		c.mu.Lock()
		in.sub = sub
		c.mu.Unlock()
	}
}

// castVersion is the first byte of a broadcast between nodes; then come the
// length of the sender's node id, the id, and the broadcast.
const castVersion = 1

// Publish implements socketio.Adapter.
func (c *cluster) Publish(ctx context.Context, b *socketio.Broadcast) error {
	payload := append([]byte{castVersion, byte(len(c.eng.node))}, c.eng.node...)
	payload = socketio.AppendBroadcast(payload, b)
	if len(b.Rooms) == 1 && !isSocketID(b.Rooms[0]) {
		return c.eng.store.Publish(ctx, b.Rooms[0], payload)
	}
	return c.eng.store.PublishNodes(ctx, payload)
}

// isSocketID tells whether a room may be a socket's own, which no channel is
// kept for.
func isSocketID(room string) bool {
	if len(room) != 20 {
		return false
	}
	for _, c := range []byte(room) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// HandleCast implements store.Receiver.
func (c *cluster) HandleCast(_ string, payload []byte) {
	b, own, err := c.parseCast(payload)
	switch {
	case err != nil:
		c.eng.log.Warn("broadcast of another node not understood", "error", err)
	case !own:
		c.io.DeliverLocal(b)
	}
}

var errCast = errors.New("unknown version or cut short")

func (c *cluster) parseCast(payload []byte) (b *socketio.Broadcast, own bool, err error) {
	if len(payload) < 2 || payload[0] != castVersion || len(payload) < 2+int(payload[1]) {
		return nil, false, errCast
	}
	end := 2 + int(payload[1])
	if string(payload[2:end]) == c.eng.node {
		return nil, true, nil
	}
	b, err = socketio.ParseBroadcast(payload[end:])
	return b, false, err
}

// HandleEvent implements store.Receiver; events are the replicas'.
func (c *cluster) HandleEvent(store.Event) {}

// HandleInterrupt implements store.Receiver: broadcasts are not kept anywhere,
// those of the interruption are lost.
func (c *cluster) HandleInterrupt(string) {}
