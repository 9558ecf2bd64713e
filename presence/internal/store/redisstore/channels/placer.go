package channels

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
)

// watchTime is how often the topology is checked.
const watchTime = time.Second

// place is the placer: it gives a link to each channel that has none, and moves channels when
// slots get another master. It waits longer the more attempts have failed.
func (b *Bridge) place() {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-b.kick:
			if !b.pause() {
				return
			}
		case <-b.ends.Done():
			return
		}
		next, err := b.Scout.Look(b.ends, b.Layout.Load())
		switch {
		case b.ends.Err() != nil:
			return
		case err != nil:
			b.stay(err)
		default:
			b.Arrange(next, b.Shards(next))
		}
	}
}

// stay leaves everything where it is: Redis does not answer.
func (b *Bridge) stay(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.homeless) > 0 {
		b.Log.Warn("subscriptions to Redis wait for it to answer; changes by other servers are shown late", "channels", len(b.homeless), "error", err)
		b.failures++
		wake(b.kick)
	}
}

// Shards reports whether channels are to be sharded. If the user of Redis lacks the rights for
// that, they stay plain, as before an upgrade. All nodes have the same user, so they agree.
func (b *Bridge) Shards(next *topology.Layout) bool {
	if b.Plain || !next.Sharded() {
		return false
	}
	b.mu.RLock()
	now := b.Sharded
	b.mu.RUnlock()
	if !now {
		ctx, cancel := context.WithTimeout(b.ends, topology.AskTime)
		defer cancel()
		if err := b.MayShard(ctx); err != nil {
			b.Log.Warn("the Redis Cluster knows sharded channels now, but this server cannot use them; they stay plain", "error", err)
			return false
		}
	}
	return true
}

// Arrange moves the channels to their present masters. Channels whose master is another
// process are subscribed again: receivers learn of the change with the confirmation, in
// order with all other messages.
func (b *Bridge) Arrange(next *topology.Layout, sharded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.Layout.Swap(next)
	if sharded != b.Sharded {
		b.Log.Warn("the Redis Cluster was changed to another version; channels are subscribed again, sharded or plain", "sharded", sharded)
		b.Publish(sharded)
		b.Sharded = sharded
		for _, l := range b.links {
			b.drop(l)
		}
	}
	some := next.MovedAny(before)
	for _, c := range b.channels {
		if some && (c.room == "" || next.Moved(before, c.slot)) {
			c.doubt = true
			if c.state == on {
				c.drop()
				b.settle(c)
			}
		}
		if b.Sharded && c.link != nil && c.link.addr != next.Of(c.slot).Addr {
			b.displace(c)
		}
	}
	if l := b.links[""]; l != nil && some && !b.Cluster {
		b.drop(l) // a master that Sentinels have replaced may answer still
	}
	for c := range b.homeless {
		c.link = b.linkTo(b.address(c))
		b.settle(c)
	}
	clear(b.homeless)
}

// address is where a channel is to be open.
func (b *Bridge) address(c *channel) string {
	if !b.Sharded {
		return ""
	}
	return b.Layout.Load().Of(c.slot).Addr
}

// pause waits before an attempt after failed ones; false when the bridge ends.
func (b *Bridge) pause() bool {
	b.mu.RLock()
	n := b.failures
	b.mu.RUnlock()
	if n == 0 {
		return true
	}
	d := min(50*time.Millisecond<<min(n-1, 10), 2*time.Second)
	select {
	case <-time.After(d/2 + rand.N(d/2)): // nodes come back one by one
		return true
	case <-b.ends.Done():
		return false
	}
}

// linkTo returns the link to an address, making it if need be. Call it locked.
func (b *Bridge) linkTo(addr string) *link {
	l := b.links[addr]
	if l == nil {
		l = &link{b: b, addr: addr, sharded: b.Sharded, wake: make(chan struct{}, 1), cut: make(chan struct{}), todo: make(map[*channel]struct{})}
		b.links[addr] = l
		b.wg.Go(l.run)
	}
	return l
}

// unlink notes that a link has ended.
func (b *Bridge) unlink(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.links[l.addr] == l {
		b.failures++
		b.drop(l)
	}
}

// drop ends a link and gives its channels back to the placer. Call it locked.
func (b *Bridge) drop(l *link) {
	close(l.cut)
	delete(b.links, l.addr)
	for _, c := range b.channels {
		if c.link == l {
			b.displace(c)
		}
	}
}

// refused puts channels back that Redis would not open on a link.
func (b *Bridge) refused(l *link, channels []*channel, err error) {
	b.Log.Warn("subscription refused by Redis; trying again", "channels", len(channels), "error", err)
	b.Guard.InspectOne(l.addr, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	for _, c := range channels {
		if c.link == l {
			b.displace(c)
		}
	}
}

// displace takes a channel off its link. Call it locked.
func (b *Bridge) displace(c *channel) {
	c.drop()
	c.link = nil
	if len(c.subs) == 0 {
		b.forget(c)
		return
	}
	b.homeless[c] = struct{}{}
	wake(b.kick)
}
