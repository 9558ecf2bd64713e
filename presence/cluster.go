package presence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// cluster is the Socket.IO adapter over the bridge: broadcasts reach the
// sockets of every node. One to a single room goes over the room's channel, so
// that only nodes with sockets in it hear of it; the others go to all nodes.
//
// That of presence in "/" serves the namespaces without presence too; any other
// one serves its namespace alone.
type cluster struct {
	eng   *engine
	io    *socketio.Server
	set   func(socketio.Adapter) error // where the adapter is put
	nodes store.Subscription
	id    string // names the sender of a broadcast

	mu        sync.Mutex
	interests map[string]*interest // by channel
	closed    bool
	wg        sync.WaitGroup
}

// interest is a channel whose broadcasts this node needs. Its subscription
// follows count.
type interest struct {
	count int           // namespaces with sockets in the room, and its replica
	busy  chan struct{} // not nil while a goroutine makes the subscription follow; closed when done
	sub   store.Subscription
}

func newCluster(ctx context.Context, e *engine, io *socketio.Server, ns *socketio.Namespace) (*cluster, error) {
	c := &cluster{eng: e, io: io, set: ns.SetAdapter, id: randomID(12), interests: make(map[string]*interest)}
	if ns.Name() == "/" {
		c.set = io.SetAdapter
	}
	var err error
	if c.nodes, err = e.store.SubscribeNodes(ctx, c); err != nil {
		return nil, fmt.Errorf("presence: subscribe to broadcasts: %w", err)
	}
	if err := c.set(c); err != nil {
		c.nodes.Close()
		return nil, fmt.Errorf("presence: broadcasts of namespace %q have another way already: %w", ns.Name(), err)
	}
	return c, nil
}

// close takes the adapter off and ends its subscriptions.
func (c *cluster) close() {
	_ = c.set(nil) // taking off cannot fail
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
	c.nodes.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range c.interests {
		if in.sub != nil {
			in.sub.Close()
		}
	}
}

// RoomOpened implements socketio.Adapter.
func (c *cluster) RoomOpened(_, room string) { _ = c.change(c.channel(room), 1) }

// RoomClosed implements socketio.Adapter.
func (c *cluster) RoomClosed(_, room string) { _ = c.change(c.channel(room), -1) }

// roomOpened implements roomHooks: a member hears broadcasts from its ack on,
// so the replica's room is not open before they flow.
func (c *cluster) roomOpened(ctx context.Context, room string) error {
	in := c.change(room, 1)
	for {
		c.mu.Lock()
		busy, closed := in.busy, c.closed
		flows := in.sub != nil
		c.mu.Unlock()
		switch {
		case flows:
			return nil
		case busy == nil || closed:
			return fmt.Errorf("subscribe to broadcasts of room %q: %w", room, store.ErrClosed)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return fmt.Errorf("subscribe to broadcasts of room %q: %w", room, ctx.Err())
		}
	}
}

// roomClosed implements roomHooks.
func (c *cluster) roomClosed(room string) { _ = c.change(room, -1) }

func (c *cluster) change(room string, by int) *interest {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.interests[room]
	if in == nil {
		in = &interest{}
		c.interests[room] = in
	}
	in.count += by
	if in.busy == nil && !c.closed {
		in.busy = make(chan struct{})
		c.wg.Go(func() { c.follow(room, in) })
	}
	return in
}

// follow subscribes and unsubscribes until that fits what is wanted.
func (c *cluster) follow(room string, in *interest) {
	for c.step(room, in) {
	}
}

// step makes one change. When there is none to make it ends the following, at
// once: whoever changes the count after that begins another.
func (c *cluster) step(room string, in *interest) bool {
	c.mu.Lock()
	want, sub := in.count > 0 && !c.closed, in.sub
	if want == (sub != nil) || c.eng.ctx.Err() != nil {
		c.rest(room, in)
		c.mu.Unlock()
		return false
	}
	if !want {
		in.sub = nil
	}
	c.mu.Unlock()
	if !want {
		sub.Close()
		return true
	}
	ctx, cancel := c.eng.bounded()
	defer cancel()
	sub, err := c.eng.store.Subscribe(ctx, room, c)
	if err != nil {
		c.eng.faults.Warn("cannot subscribe to a room's broadcasts; trying again", "room", clipped(room), "error", err)
		c.eng.sleep(mendInterval)
		return true
	}
	c.mu.Lock()
	in.sub = sub
	c.mu.Unlock()
	return true
}

// rest ends the following of an interest. The lock is held.
func (c *cluster) rest(room string, in *interest) {
	close(in.busy)
	in.busy = nil
	if in.count == 0 && in.sub == nil && c.interests[room] == in {
		delete(c.interests, room)
	}
}

// Publish implements socketio.Adapter.
func (c *cluster) Publish(ctx context.Context, b *socketio.Broadcast) error {
	payload := append([]byte{castBroadcast, byte(len(c.id))}, c.id...)
	payload = socketio.AppendBroadcast(payload, b)
	// A socket's id is not a room, and so no channel is kept for it.
	if len(b.Rooms) == 1 && !socketid.Is(b.Rooms[0]) {
		return c.eng.store.Publish(ctx, c.channel(b.Rooms[0]), payload)
	}
	return c.eng.store.PublishNodes(ctx, payload)
}

// channel is the room of the store over which broadcasts to a Socket.IO room go:
// for that of a room of presence its own, which its nodes hear already.
func (c *cluster) channel(room string) string {
	if id := strings.TrimPrefix(room, c.eng.roomPrefix); id != "" {
		return id
	}
	return room
}

// HandleCast implements store.Receiver.
func (c *cluster) HandleCast(_ string, payload []byte) {
	b, own, err := c.parseCast(payload)
	switch {
	case len(payload) > 0 && payload[0] > castBroadcast: // the engine's
	case err != nil:
		c.eng.faults.Warn("broadcast of another server not understood; does it run another version?", "error", err)
	case !own:
		c.io.DeliverLocal(b)
	}
}

var errCast = errors.New("unknown version or cut short")

func (c *cluster) parseCast(payload []byte) (b *socketio.Broadcast, own bool, err error) {
	if len(payload) < 2 || payload[0] != castBroadcast || len(payload) < 2+int(payload[1]) {
		return nil, false, errCast
	}
	end := 2 + int(payload[1])
	if string(payload[2:end]) == c.id {
		return nil, true, nil
	}
	b, err = socketio.ParseBroadcast(payload[end:])
	return b, false, err
}

// HandleEvent implements store.Receiver; events are the replicas'.
func (c *cluster) HandleEvent(store.Event) {}

// HandleInterrupt implements store.Receiver: broadcasts are not kept anywhere,
// those of the interruption are lost.
func (c *cluster) HandleInterrupt(string, bool) {}
