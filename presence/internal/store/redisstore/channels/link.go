package channels

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
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
	b       *Bridge
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
		l.b.Log.Warn("connection for subscriptions to Redis lost; connecting again", "server", l.b.Guard.Name(l.addr), "error", err)
	}
	l.b.unlink(l)
}

func (l *link) serve() error {
	addr := l.server()
	if addr == "" {
		return topology.ErrNoNode
	}
	conn, err := l.b.Guard.Connect(l.b.ends, addr)
	if err != nil {
		return err
	}
	c, err := respconn.Start(conn, l.b.Greeting, l)
	if err != nil {
		l.b.Guard.InspectOne(l.addr, err)
		return err
	}
	defer c.Close()
	if err := l.check(c); err != nil {
		return err
	}
	if c.TakesCommands() && (l.sharded || l.b.Single) {
		direct := &l.b.Pipe.Direct
		direct.Offer(l.addr, c)
		defer direct.Withdraw(l.addr, c)
	}
	for {
		if err := l.bring(c); err != nil {
			return err
		}
		select {
		case <-l.wake:
		case <-c.Ended():
			return c.Err()
		case <-l.cut:
			c.Drain() // its channels are on their way to another link
			return nil
		case <-l.b.ends.Done():
			return nil
		}
	}
}

// Cork implements respconn.Handler.
func (l *link) Cork() {
	if c := l.b.Corker; c != nil {
		c.Cork()
	}
}

// Uncork implements respconn.Handler.
func (l *link) Uncork() {
	if c := l.b.Corker; c != nil {
		c.Uncork()
	}
}

// Message implements respconn.Handler.
func (l *link) Message(channel, payload []byte) { l.b.received(l, channel, payload) }

// Subscribed implements respconn.Handler.
func (l *link) Subscribed(channel string) { l.b.confirmed(l, channel, true) }

// Unsubscribed implements respconn.Handler.
func (l *link) Unsubscribed(channel string) { l.b.confirmed(l, channel, false) }

var errStray = errors.New("another server answers at this address than before")

// check fails when the new connection leads to another server than the queue's: what is published there
// would not be heard here. All connections are cut then. If that was done a moment ago, and did not
// help, the connection is used as it is.
func (l *link) check(c *respconn.Conn) error {
	want := l.b.Layout.Load().Of(0).Run
	if l.b.Cluster || want == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.b.ends, commandTime)
	defer cancel()
	info, err := c.Ask(ctx, &respconn.Command{Words: []string{"INFO", "server"}})
	if _, answered := access.Refusal(err); answered {
		return nil // what it means is seen with the subscriptions
	}
	if err != nil {
		return err
	}
	if run := topology.InfoField(info, "run_id"); run != "" && run != want && l.b.Guard.Stray(errStray) {
		return errStray
	}
	return nil
}

// server is the address to connect to: that of the link, or without one the only server there is, or
// any server of a cluster that answered the last time. It is empty if none is known.
func (l *link) server() string {
	b := l.b
	if l.sharded {
		return l.addr
	}
	if up := b.Layout.Load().Up; len(up) > 0 {
		return up[rand.N(len(up))]
	}
	for addr := range b.Scout.Nodes() {
		return addr
	}
	return ""
}

// bring opens and closes channels as is wanted of them.
func (l *link) bring(c *respconn.Conn) error {
	open, shut := l.take()
	if err := l.order(c.Subscribe, l.command("SUBSCRIBE"), open); err != nil {
		return err
	}
	return l.order(c.Unsubscribe, l.command("UNSUBSCRIBE"), shut)
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

// order sends commands for channels: few large ones or, sharded, one for each slot, since a command
// across slots would be refused.
func (l *link) order(send func(command string, channels []string, refused func(error)) error, command string, channels []*channel) error {
	groups := make(map[uint16][]*channel)
	for _, c := range channels {
		slot := uint16(0)
		if l.sharded {
			slot = c.slot
		}
		groups[slot] = append(groups[slot], c)
	}
	for _, group := range groups {
		for part := range slices.Chunk(group, channelsPerCommand) {
			names := make([]string, len(part))
			for i, c := range part {
				names[i] = c.name
			}
			err := send(command, names, func(err error) {
				if _, ok := access.Refusal(err); ok { // else the link ends
					l.b.refused(l, part, err)
				}
			})
			if err != nil {
				return fmt.Errorf("subscribe: %w", err)
			}
		}
	}
	return nil
}

// command is a command for plain channels, or for sharded ones.
func (l *link) command(name string) string {
	if l.sharded {
		return "S" + name
	}
	return name
}
