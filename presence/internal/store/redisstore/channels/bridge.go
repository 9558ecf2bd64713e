// Package channels keeps channels of Redis open for their subscribers, over lost connections, failovers,
// moved slots and upgrades, and tells subscribers when something may have been missed.
package channels

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
)

// Bridge keeps the channels open that somebody is subscribed to.
//
// A channel is opened and closed by the link that it is on (one connection,
// one goroutine), which looks at what is wanted of it at that moment, so that
// closing and opening at once can not leave it deaf. Channels without a link
// wait for the placer, another goroutine, which makes links.
//
// Channels are sharded on a cluster of which all masters know sharded channels. Else they are
// plain, for example while the cluster is upgraded. Each node sees within watchTime that the last
// master of Redis 6 has gone, or that one has come, and changes over: first what it publishes, then
// its subscriptions, whose receivers are told of an interruption. Until all nodes have changed
// over, one that has and one that has not do not hear each other. What they missed shows in the
// seqs of the rooms, which the engine compares.
type Bridge struct {
	Config // sharded: only the placer sets it, later

	mu       sync.RWMutex
	closed   bool
	channels map[string]*channel
	links    map[string]*link      // by address; "" is the only one unless sharded
	homeless map[*channel]struct{} // channels without a link
	failures int                   // in a row, of links and placements
	kick     chan struct{}         // wakes the placer

	ends context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
}

// Config is what a bridge needs.
type Config struct {
	Scout    *topology.Scout
	Guard    *access.Guard
	Pipe     *pipeline.Pipeline               // to which it offers its connections
	Greeting respconn.Config                  // of those
	Layout   *atomic.Pointer[topology.Layout] // which is known; only the placer sets it from now on
	Log      *slog.Logger
	Cluster  bool // it is one
	// Single says that it is one server without Sentinels. Behind Sentinels the client library turns to
	// a new master before this package does: commands must not go to the old one meanwhile.
	Single   bool
	Plain    bool                            // channels are never sharded
	Sharded  bool                            // they are at first: one link per master, by slot; else one link in all
	Corker   store.Corker                    // nil: none
	Publish  func(sharded bool)              // has publishing changed over
	MayShard func(ctx context.Context) error // why channels must not be sharded, although Redis could
}

type state byte

// The states of a channel on its link. Opening and closing await an answer.
const (
	off state = iota
	opening
	on
	closing
)

// channel is a channel of Redis with its subscriptions. The bridge's mu guards it.
type channel struct {
	name, room string
	slot       uint16 // 0 unless on a cluster
	subs       store.Subscribers
	live       store.Subscribers // those that were told that events flow
	link       *link
	state      state
	ready      chan struct{} // closed once the channel is on
	lost       bool          // it was on, and what came since was missed
	doubt      bool          // its master is another process than when it was on
}

// New returns a bridge that start has follow the layout, which is known by then.
func New(c Config) *Bridge {
	b := &Bridge{
		Config:   c,
		channels: make(map[string]*channel),
		links:    make(map[string]*link),
		homeless: make(map[*channel]struct{}),
		kick:     make(chan struct{}, 1),
	}
	b.ends, b.end = context.WithCancel(context.Background())
	return b
}

// Start has the bridge follow the layout, and open channels. It does not block.
func (b *Bridge) Start() { b.wg.Go(b.place) }

// Subscribe returns once Redis has confirmed the channel.
func (b *Bridge) Subscribe(ctx context.Context, name, room string, r store.Receiver) (store.Subscription, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	c := b.channels[name]
	if c == nil {
		c = &channel{name: name, room: room, ready: make(chan struct{})}
		if b.Cluster {
			c.slot = keyslot.Of(name)
		}
		b.channels[name] = c
	}
	sub := store.NewSubscriber(r, func(sub *store.Subscriber) { b.leave(c, sub) })
	c.subs = c.subs.With(sub)
	if c.state == on {
		c.live = c.subs
	}
	b.settle(c)
	ready := c.ready
	b.mu.Unlock()

	select {
	case <-ready:
		return sub, nil
	case <-ctx.Done():
		sub.Close()
		return nil, fmt.Errorf("%w: %w", store.ErrUnavailable, ctx.Err())
	case <-b.ends.Done():
		return nil, store.ErrClosed
	}
}

// leave takes a subscription out of a channel.
func (b *Bridge) leave(c *channel, sub *store.Subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.subs, c.live = c.subs.Without(sub), c.live.Without(sub)
	if len(c.subs) == 0 {
		b.settle(c)
	}
}

// settle has a channel brought to what is wanted of it. Call it locked.
func (b *Bridge) settle(c *channel) {
	if c.link == nil && len(c.subs) == 0 {
		b.forget(c)
		return
	}
	if c.link == nil {
		c.link = b.links[b.address(c)]
	}
	if c.link == nil {
		b.homeless[c] = struct{}{}
		wake(b.kick)
		return
	}
	c.link.todo[c] = struct{}{}
	wake(c.link.wake)
}

func (b *Bridge) forget(c *channel) {
	delete(b.homeless, c)
	if b.channels[c.name] == c {
		delete(b.channels, c.name)
	}
}

// drop notes that a channel is not on any more. Call it locked.
func (c *channel) drop() {
	if c.state == on {
		c.lost, c.ready = true, make(chan struct{})
	}
	c.state = off
}

// confirmed handles what Redis says of a channel, on the link's reader.
func (b *Bridge) confirmed(l *link, name string, open bool) {
	b.mu.Lock()
	c := b.channels[name]
	if c == nil || c.link != l {
		b.mu.Unlock()
		return
	}
	var interrupted store.Subscribers
	doubt := c.doubt
	switch {
	case open:
		if c.state != opening {
			break
		}
		c.state, b.failures = on, 0
		close(c.ready)
		if c.lost {
			interrupted = c.live
		}
		c.live, c.lost, c.doubt = c.subs, false, false
		if len(c.subs) == 0 {
			b.settle(c)
		}
	case c.state == closing:
		// Whoever subscribed since then missed nothing; others there are none.
		c.state = off
		if len(c.subs) == 0 {
			b.forget(c)
			break
		}
		b.settle(c)
	case c.state == on: // not asked for: its slot moves to another master
		c.drop()
		c.link = nil
		b.homeless[c] = struct{}{}
		wake(b.kick)
	}
	b.mu.Unlock()
	interrupted.HandleInterrupt(c.room, doubt)
}

// received hands a message to the receivers, on the link's reader.
func (b *Bridge) received(l *link, name, payload []byte) {
	b.mu.RLock()
	c := b.channels[string(name)]
	if c == nil || c.link != l {
		b.mu.RUnlock()
		return
	}
	room, subs := c.room, c.subs
	b.mu.RUnlock()
	if len(subs) == 0 {
		return
	}
	msg, err := record.ParseMessage(room, string(payload))
	if err != nil {
		b.Log.Warn("message of another server not understood, skipped; does it run another version?", "room", room, "error", err)
		return
	}
	if msg.Event != nil {
		subs.HandleEvent(msg.Event)
	} else {
		subs.HandleCast(room, msg.Payload)
	}
}

// Close ends every subscription, and waits for links and placer.
func (b *Bridge) Close() {
	b.mu.Lock()
	b.closed = true
	for _, c := range b.channels {
		c.subs.End()
	}
	b.mu.Unlock()
	b.end()
	b.wg.Wait()
	b.Scout.Wait()
}

// wake signals a goroutine that looks again at all there is to do.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
