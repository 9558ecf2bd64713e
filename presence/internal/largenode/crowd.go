package largenode

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/memconn"
)

// atOnce is how many members connect and join at a time.
const atOnce = 32

// mostRefused bounds the joins that are repeated: a machine that is busy with something else, while the
// node fills up, keeps some waiting for longer than a request may take.
const mostRefused = 1000

// crowd is all members of the node: far ends, which need no goroutine. The first are in rooms of 2; each of
// the last, peers in number, is in a room that a member of the other node will join.
type crowd struct {
	start    time.Time
	interval time.Duration // of pings
	members  []*member
	pairs    int // how many are in rooms with each other
	slots    chan struct{}
	failed   chan error // has the first failure

	closing  atomic.Bool // the server closes
	joined   atomic.Int64
	refused  atomic.Int64 // joins that were not answered in time, and were repeated
	pings    atomic.Int64
	reaped   atomic.Int64 // members that were told of a lost one
	pingLate Lateness
}

func newCrowd(members, peers int, interval time.Duration) *crowd {
	c := &crowd{
		start: time.Now(), interval: interval, pairs: members - peers,
		slots: make(chan struct{}, atOnce), failed: make(chan error, 1),
	}
	c.members = make([]*member, members)
	for i := range c.members {
		c.members[i] = c.newMember(i)
	}
	return c
}

func (c *crowd) newMember(number int) *member {
	m := &member{crowd: c, number: int32(number)}
	m.conn = memconn.New(m)
	return m
}

func (c *crowd) now() time.Duration { return time.Since(c.start) }

// fail notes a failure; the first counts.
func (c *crowd) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// err is the first failure, if there was one.
func (c *crowd) err() error {
	select {
	case err := <-c.failed:
		c.fail(err)
		return err
	default:
		return nil
	}
}

// state is that of each member: 64 bytes.
var state = `{"name":"Somebody","pad":"` + strings.Repeat("x", 36) + `"}`

// join is the payload of a member's join.
func (c *crowd) join(number int) []byte {
	room := fmt.Sprint("room-", number/2)
	switch {
	case number >= len(c.members):
		room = "probe"
	case number >= c.pairs:
		room = peerRoom(number - c.pairs)
	}
	return joinPayload(room, fmt.Sprint("user-", number))
}

// peerRoom is the room of a member of the other node.
func peerRoom(i int) string { return fmt.Sprint("shared-", i) }

func joinPayload(room, user string) []byte {
	return fmt.Appendf(nil, `{"roomId":%q,"userId":%q,"state":%s}`, room, user, state)
}

// entered is called by each member when it has joined.
func (c *crowd) entered() {
	c.joined.Add(1)
	<-c.slots
}

// connector gives a connection to the server.
type connector func(context.Context, net.Conn) error

// enter has members connect and join. It returns when they have, or fails.
func (c *crowd) enter(ctx context.Context, connect connector, members ...*member) error {
	for _, m := range members {
		if err := c.slot(ctx); err != nil {
			return err
		}
		if err := m.feed([]byte(request)); err != nil {
			return err
		}
		if err := connect(ctx, m.conn); err != nil {
			return fmt.Errorf("connecting member %d: %w", m.number, err)
		}
	}
	for range atOnce {
		if err := c.slot(ctx); err != nil {
			return err
		}
	}
	for range atOnce {
		<-c.slots
	}
	return nil
}

// slot waits until one more may connect.
func (c *crowd) slot(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	case err := <-c.failed:
		c.fail(err)
		return err
	case <-ctx.Done():
		return fmt.Errorf("%d of %d have joined: %w", c.joined.Load(), len(c.members), ctx.Err())
	}
}
