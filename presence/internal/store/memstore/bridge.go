package memstore

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// everyNode is the key of the channel of all nodes; no room has an empty id.
const everyNode = ""

// handOver is how many deliveries a publisher makes before a goroutine of the
// store takes over the rest, so that a busy room never keeps a caller.
const handOver = 64

// bridge carries events from publishers to subscriptions.
type bridge struct {
	mu       sync.RWMutex
	channels map[string]*channel
	closed   bool
	helpers  sync.WaitGroup
}

// channel is the queue of one room. It exists while it has a subscription.
type channel struct {
	room string

	mu    sync.Mutex
	subs  store.Subscribers
	queue []delivery
	busy  bool // a goroutine is delivering
}

// delivery is one event or cast, for the subscriptions of that moment.
type delivery struct {
	to    store.Subscribers
	event *store.Event
	cast  []byte
}

// Subscribe implements store.Store.
func (s *Store) Subscribe(ctx context.Context, room string, r store.Receiver) (store.Subscription, error) {
	if err := s.ready(ctx, "subscribe to room"); err != nil {
		return nil, err
	}
	return s.bridge.subscribe(room, r)
}

// SubscribeNodes implements store.Store.
func (s *Store) SubscribeNodes(ctx context.Context, r store.Receiver) (store.Subscription, error) {
	if err := s.ready(ctx, "subscribe to nodes"); err != nil {
		return nil, err
	}
	return s.bridge.subscribe(everyNode, r)
}

// Publish implements store.Store.
func (s *Store) Publish(ctx context.Context, room string, payload []byte) error {
	if err := s.ready(ctx, "publish to room"); err != nil {
		return err
	}
	s.bridge.deliver(s.bridge.enqueue(room, delivery{cast: bytes.Clone(payload)}))
	return nil
}

// PublishNodes implements store.Store.
func (s *Store) PublishNodes(ctx context.Context, payload []byte) error {
	if err := s.ready(ctx, "publish to nodes"); err != nil {
		return err
	}
	s.bridge.deliver(s.bridge.enqueue(everyNode, delivery{cast: bytes.Clone(payload)}))
	return nil
}

func (b *bridge) subscribe(room string, r store.Receiver) (store.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("subscribe: %w", store.ErrClosed)
	}
	c := b.channels[room]
	if c == nil {
		c = &channel{room: room}
		b.channels[room] = c
	}
	sub := store.NewSubscriber(r, func(sub *store.Subscriber) { b.leave(c, sub) })
	c.mu.Lock()
	c.subs = c.subs.With(sub)
	c.mu.Unlock()
	return sub, nil
}

// leave takes a subscription out of a channel; the last one takes the channel with it.
func (b *bridge) leave(c *channel, sub *store.Subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = c.subs.Without(sub)
	if len(c.subs) == 0 && b.channels[c.room] == c {
		delete(b.channels, c.room)
	}
}

// enqueue puts a delivery into the room's queue. It returns the channel to deliver from, or
// nil if there is no subscription.
func (b *bridge) enqueue(room string, d delivery) *channel {
	b.mu.RLock()
	c := b.channels[room]
	b.mu.RUnlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.to = c.subs
	c.queue = append(c.queue, d)
	return c
}

// deliver empties the channel's queue, unless another goroutine is delivering.
func (b *bridge) deliver(c *channel) {
	if c == nil || !c.claim() || !c.run(handOver) {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.closed {
		b.helpers.Go(func() {
			for c.run(handOver) {
			}
		})
	}
}

// claim makes the caller the goroutine that delivers.
func (c *channel) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || len(c.queue) == 0 {
		return false
	}
	c.busy = true
	return true
}

// run delivers until at least limit deliveries are made or the queue is empty;
// then the claim ends. It says whether more is to be done.
func (c *channel) run(limit int) (more bool) {
	for done := 0; ; {
		c.mu.Lock()
		batch := c.queue
		if len(batch) == 0 {
			c.busy, c.queue = false, nil
			c.mu.Unlock()
			return false
		}
		if done >= limit {
			c.mu.Unlock()
			return true
		}
		c.queue = nil
		c.mu.Unlock()
		for i := range batch {
			batch[i].hand(c.room)
		}
		done += len(batch)
	}
}

func (d *delivery) hand(room string) {
	if d.event != nil {
		d.to.HandleEvent(d.event)
	} else {
		d.to.HandleCast(room, d.cast)
	}
}

// close ends every subscription and waits for the helpers.
func (b *bridge) close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	for _, c := range b.channels {
		c.mu.Lock()
		c.subs.End()
		c.subs = nil
		c.mu.Unlock()
	}
	clear(b.channels)
	b.mu.Unlock()

	done := make(chan struct{})
	go func() { defer close(done); b.helpers.Wait() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close store: deliveries still run: %w", ctx.Err())
	}
}
