package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// place gives channels without a link one, waiting longer the more attempts
// have failed.
func (b *bridge) place() {
	for {
		select {
		case <-b.kick:
		case <-b.ends.Done():
			return
		}
		if !b.pause() {
			return
		}
		var slots slotMap
		if b.sharded {
			var err error
			if slots, err = b.readSlots(); err != nil {
				b.log.Warn("where the slots of the cluster lie could not be read", "error", err)
				b.mu.Lock()
				b.failures++
				b.mu.Unlock()
				wake(b.kick)
				continue
			}
		}
		b.mu.Lock()
		b.slots = slots
		for c := range b.homeless {
			c.link = b.linkTo(slots.addr(c.slot))
			b.settle(c)
		}
		clear(b.homeless)
		b.mu.Unlock()
	}
}

// pause waits before an attempt after failed ones; false when the bridge ends.
func (b *bridge) pause() bool {
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
func (b *bridge) linkTo(addr string) *link {
	l := b.links[addr]
	if l == nil {
		l = &link{b: b, addr: addr, wake: make(chan struct{}, 1), todo: make(map[*channel]struct{})}
		b.links[addr] = l
		b.wg.Go(l.run)
	}
	return l
}

// unlink gives the channels of a link that has ended back to the placer.
func (b *bridge) unlink(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	delete(b.links, l.addr)
	for _, c := range b.channels {
		if c.link == l {
			b.displace(c)
		}
	}
}

// refused puts channels back that Redis would not open.
func (b *bridge) refused(channels []*channel, err error) {
	b.log.Warn("subscription refused by Redis", "channels", len(channels), "error", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	for _, c := range channels {
		b.displace(c)
	}
}

// displace takes a channel off its link. Call it locked.
func (b *bridge) displace(c *channel) {
	c.drop()
	c.link = nil
	if len(c.subs) == 0 {
		b.forget(c)
		return
	}
	b.homeless[c] = struct{}{}
	wake(b.kick)
}

// slotMap says which master holds a slot of a cluster.
type slotMap []string

// addr is empty for an unknown slot, and where there are no slots.
func (m slotMap) addr(slot uint16) string {
	if int(slot) >= len(m) {
		return ""
	}
	return m[slot]
}

const slotCount = 16384

var errSlots = errors.New("the answer to CLUSTER SLOTS is not understood")

// readSlots asks the nodes that are known, one after the other.
func (b *bridge) readSlots() (slotMap, error) {
	err := errNoNode
	for addr, node := range b.client.Nodes() {
		ctx, cancel := context.WithTimeout(b.ends, commandTime)
		var ranges []rueidis.RedisMessage
		ranges, err = node.Do(ctx, node.B().ClusterSlots().Build()).ToArray()
		cancel()
		if err != nil {
			err = fmt.Errorf("ask %s: %w", addr, err)
			continue
		}
		var m slotMap
		if m, err = parseSlots(ranges, addr); err == nil {
			return m, nil
		}
	}
	return nil, err
}

func parseSlots(ranges []rueidis.RedisMessage, asked string) (slotMap, error) {
	host, _, err := net.SplitHostPort(asked)
	if err != nil {
		return nil, err
	}
	m := make(slotMap, slotCount)
	for _, r := range ranges {
		parts, err := r.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errSlots
		}
		from, err1 := parts[0].AsInt64()
		to, err2 := parts[1].AsInt64()
		master, err3 := parts[2].ToArray()
		if errors.Join(err1, err2, err3) != nil || len(master) < 2 || from < 0 || to >= slotCount {
			return nil, errSlots
		}
		h, _ := master[0].ToString()
		if h == "" || h == "?" { // a node that does not know its own name
			h = host
		}
		port, err := master[1].AsInt64()
		if err != nil {
			return nil, errSlots
		}
		addr := net.JoinHostPort(h, strconv.FormatInt(port, 10))
		for s := from; s <= to; s++ {
			m[s] = addr
		}
	}
	return m, nil
}
