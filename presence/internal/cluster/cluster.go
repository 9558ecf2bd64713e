// Package cluster makes broadcasts of Socket.IO reach the sockets of every node.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// retryPause is how long it takes until a subscription that failed is tried again.
const retryPause = 500 * time.Millisecond

// Options are what an Adapter is made of. All fields are required but RoomPrefix.
type Options struct {
	IO        *socketio.Server
	Namespace *socketio.Namespace
	Store     store.Store
	// RoomPrefix is what begins the name of the Socket.IO room of a presence room.
	RoomPrefix string
	// Timeout is how long one subscription may take.
	Timeout time.Duration
	Log     *slog.Logger
}

// Adapter is the Socket.IO adapter over the bridge. A broadcast to a single room goes over
// the room's channel, so that only nodes with sockets in it hear of it; the others go to
// all nodes. All methods may be called at the same time.
//
// That of presence in "/" serves the namespaces without presence too; any other
// one serves its namespace alone.
type Adapter struct {
	Options
	set   func(socketio.Adapter) error // where the adapter is put
	nodes store.Subscription
	id    string // names the sender of a broadcast

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu        sync.Mutex
	interests map[string]*interest // by channel
	closed    bool
	wg        sync.WaitGroup
}

var _ socketio.Adapter = (*Adapter)(nil)

// interest is a channel whose broadcasts this node needs. The subscription is kept while
// count is above zero.
type interest struct {
	count int           // namespaces with sockets in the room, and its replica
	busy  chan struct{} // not nil while a goroutine makes the subscription follow; closed when done
	sub   store.Subscription
}

// New puts an adapter into the namespace. It blocks until it hears the other nodes, for at
// most ctx, and fails when the namespace has an adapter already.
func New(ctx context.Context, o Options) (*Adapter, error) {
	c := newAdapter(o)
	var err error
	if c.nodes, err = o.Store.SubscribeNodes(ctx, c); err != nil {
		return nil, fmt.Errorf("subscribe to broadcasts: %w", err)
	}
	if err := c.set(c); err != nil {
		c.nodes.Close()
		return nil, fmt.Errorf("broadcasts of namespace %q have another way already: %w", o.Namespace.Name(), err)
	}
	return c, nil
}

func newAdapter(o Options) *Adapter {
	c := &Adapter{Options: o, set: o.Namespace.SetAdapter, id: rand.Text(), interests: make(map[string]*interest)}
	if o.Namespace.Name() == "/" {
		c.set = o.IO.SetAdapter
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close takes the adapter off and ends its subscriptions and goroutines.
func (c *Adapter) Close() {
	_ = c.set(nil) // taking off cannot fail
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
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
func (c *Adapter) RoomOpened(_, room string) { _ = c.change(c.channel(room), 1) }

// RoomClosed implements socketio.Adapter.
func (c *Adapter) RoomClosed(_, room string) { _ = c.change(c.channel(room), -1) }

// OpenReplica has broadcasts to a presence room reach this node. A member hears them from
// the answer to its join on, so the node's replica is not open before they flow. It blocks
// until they do, for at most ctx. CloseReplica takes it back.
func (c *Adapter) OpenReplica(ctx context.Context, room string) error {
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

// CloseReplica is for a room of which the node has no replica any more. It does not block.
func (c *Adapter) CloseReplica(room string) { _ = c.change(room, -1) }

func (c *Adapter) change(room string, by int) *interest {
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

// follow subscribes and unsubscribes until the subscription matches the count.
func (c *Adapter) follow(room string, in *interest) {
	for c.step(room, in) {
	}
}

// step makes one change. If there is none to make it ends the loop under the lock, so that
// the next change of the count starts another one.
func (c *Adapter) step(room string, in *interest) bool {
	c.mu.Lock()
	want, sub := in.count > 0 && !c.closed, in.sub
	if want == (sub != nil) || c.ctx.Err() != nil {
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
	ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
	defer cancel()
	sub, err := c.Store.Subscribe(ctx, room, c)
	if err != nil {
		c.Log.Warn("cannot subscribe to a room's broadcasts; trying again", "room", wire.Clipped(room), "error", err)
		select {
		case <-time.After(retryPause):
		case <-c.ctx.Done():
		}
		return true
	}
	c.mu.Lock()
	in.sub = sub
	c.mu.Unlock()
	return true
}

// rest notes that no goroutine follows an interest any more, and forgets one that nobody has.
// The lock is held.
func (c *Adapter) rest(room string, in *interest) {
	close(in.busy)
	in.busy = nil
	if in.count == 0 && in.sub == nil && c.interests[room] == in {
		delete(c.interests, room)
	}
}

// Publish implements socketio.Adapter.
func (c *Adapter) Publish(ctx context.Context, b *socketio.Broadcast) error {
	payload := append([]byte{wire.NodeBroadcast, byte(len(c.id))}, c.id...)
	payload = socketio.AppendBroadcast(payload, b)
	// A socket's id is not a room, and so no channel is kept for it.
	if len(b.Rooms) == 1 && !socketid.Is(b.Rooms[0]) {
		return c.Store.Publish(ctx, c.channel(b.Rooms[0]), payload)
	}
	return c.Store.PublishNodes(ctx, payload)
}

// channel is the room of the store over which broadcasts to a Socket.IO room go:
// for that of a room of presence its own, which its nodes hear already.
func (c *Adapter) channel(room string) string {
	if id := strings.TrimPrefix(room, c.RoomPrefix); id != "" {
		return id
	}
	return room
}

// HandleCast implements store.Receiver.
func (c *Adapter) HandleCast(_ string, payload []byte) {
	b, own, err := c.parseCast(payload)
	switch {
	case len(payload) > 0 && payload[0] > wire.NodeBroadcast: // the engine's
	case err != nil:
		c.Log.Warn("broadcast of another server not understood; does it run another version?", "error", err)
	case !own:
		c.IO.DeliverLocal(b)
	}
}

var errCast = errors.New("unknown version or cut short")

func (c *Adapter) parseCast(payload []byte) (b *socketio.Broadcast, own bool, err error) {
	if len(payload) < 2 || payload[0] != wire.NodeBroadcast || len(payload) < 2+int(payload[1]) {
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
func (c *Adapter) HandleEvent(store.Event) {}

// HandleInterrupt implements store.Receiver: broadcasts are not kept anywhere,
// those of the interruption are lost.
func (c *Adapter) HandleInterrupt(string, bool) {}
