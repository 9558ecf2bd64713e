package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/rueidis"
)

const (
	// commandTime is how long Redis may take to confirm channels.
	commandTime = 3 * time.Second
	// channelsPerCommand bounds a SUBSCRIBE.
	channelsPerCommand = 500
)

// link is one connection on which channels are subscribed. It ends when the connection
// ends; its channels are then placed on another one.
type link struct {
	b       *bridge
	addr    string
	sharded bool // its channels are
	wake    chan struct{}
	cut     chan struct{}         // closed to end it: its server is not the right one any more
	todo    map[*channel]struct{} // channels to look at; guarded by the bridge's mu
}

// run holds the connection until it is lost or the bridge ends.
func (l *link) run() {
	err := l.serve()
	if err != nil && l.b.ends.Err() == nil {
		l.b.log.Warn("connection for subscriptions to Redis lost; connecting again", "server", l.b.scout.guard.name(l.addr), "error", err)
	}
	l.b.unlink(l)
}

var errNoNode = errors.New("no connection to that server of Redis")

func (l *link) serve() error {
	node := l.node()
	if node == nil {
		return errNoNode
	}
	conn, _ := node.Dedicate()
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage:      func(m rueidis.PubSubMessage) { l.b.received(l, m) },
		OnSubscription: func(s rueidis.PubSubSubscription) { l.b.confirmed(l, s) },
	})
	defer func() {
		conn.Close()
		for range lost { // closed once the reader has ended: no call comes after this
		}
	}()
	if err := l.check(conn); err != nil {
		return err
	}
	for {
		if err := l.bring(conn); err != nil {
			return err
		}
		select {
		case <-l.wake:
		case err := <-lost:
			return err
		case <-l.cut:
			return nil
		case <-l.b.ends.Done():
			return nil
		}
	}
}

var errStray = errors.New("another server answers at this address than before")

// check fails when the new connection leads to another server than the commands go to: what
// is published there would not be heard here. All connections are cut then. If that was done a
// moment ago, and did not help, the connection is used as it is.
func (l *link) check(conn rueidis.DedicatedClient) error {
	want := l.b.layout.Load().of(0).run
	if l.b.scout.cluster || want == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.b.ends, commandTime)
	defer cancel()
	info, err := conn.Do(ctx, conn.B().Info().Section("server").Build()).ToString()
	if _, answered := rueidis.IsRedisErr(err); answered {
		return nil // what it means is seen with the subscriptions
	}
	if err != nil {
		return err
	}
	if run := infoField(info, "run_id"); run != "" && run != want && l.b.scout.guard.act("", strayTrouble, errStray) {
		return errStray
	}
	return nil
}

// node is the server to connect to: that of the address, or without an address the only
// server there is, or any server of a cluster that answered the last time.
func (l *link) node() rueidis.Client {
	b := l.b
	switch up := b.layout.Load().up; {
	case l.sharded:
		return b.scout.nodes()[l.addr]
	case len(up) > 0:
		return b.scout.nodes()[up[rand.N(len(up))]]
	}
	return b.client
}

// order is a command about channels.
type order struct {
	cmd      rueidis.Completed
	channels []*channel
}

// bring opens and closes channels as is wanted of them.
func (l *link) bring(conn rueidis.DedicatedClient) error {
	open, shut := l.take()
	orders := l.orders(conn.B(), open, true)
	orders = append(orders, l.orders(conn.B(), shut, false)...)
	if len(orders) == 0 {
		return nil
	}
	cmds := make([]rueidis.Completed, len(orders))
	for i := range orders {
		cmds[i] = orders[i].cmd
	}
	ctx, cancel := context.WithTimeout(l.b.ends, commandTime)
	defer cancel()
	for i, res := range conn.DoMulti(ctx, cmds...) {
		err := res.Error()
		if err == nil || rueidis.IsRedisNil(err) {
			continue
		}
		if _, ok := rueidis.IsRedisErr(err); !ok {
			return fmt.Errorf("subscribe: %w", err)
		}
		l.b.refused(l, orders[i].channels, err)
	}
	return nil
}

// take moves channels on that are not as wanted, and returns them.
func (l *link) take() (open, shut []*channel) {
	b := l.b
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range l.todo {
		switch {
		case c.link != l:
		case c.state == off && len(c.subs) > 0:
			c.state = opening
			open = append(open, c)
		case c.state == off:
			b.forget(c)
		case c.state == on && len(c.subs) == 0:
			c.state, c.ready = closing, make(chan struct{})
			shut = append(shut, c)
		}
	}
	clear(l.todo)
	return open, shut
}

// orders makes the commands for channels: few large ones or, sharded, one for
// each slot, since a command across slots would be refused.
func (l *link) orders(b rueidis.Builder, channels []*channel, open bool) []order {
	groups := make(map[uint16][]*channel)
	for _, c := range channels {
		slot := uint16(0)
		if l.sharded {
			slot = c.slot
		}
		groups[slot] = append(groups[slot], c)
	}
	var out []order
	for _, group := range groups {
		for len(group) > 0 {
			part := group[:min(len(group), channelsPerCommand)]
			group = group[len(part):]
			names := make([]string, len(part))
			for i, c := range part {
				names[i] = c.name
			}
			out = append(out, order{l.command(b, names, open), part})
		}
	}
	return out
}

func (l *link) command(b rueidis.Builder, names []string, open bool) rueidis.Completed {
	switch {
	case open && l.sharded:
		return b.Ssubscribe().Channel(names...).Build()
	case open:
		return b.Subscribe().Channel(names...).Build()
	case l.sharded:
		return b.Sunsubscribe().Channel(names...).Build()
	}
	return b.Unsubscribe().Channel(names...).Build()
}
