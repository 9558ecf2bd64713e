package socketio

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// Held is an event for which the queues of some sockets of this process are too full yet.
type Held struct {
	limit  int           // how much may wait for a connection that still gets it
	stall  time.Duration // how long a connection may stay over that
	behind []heldSocket
}

type heldSocket struct {
	s     *Socket
	o     outgoing
	since time.Time // since when its queue was seen to be too full
}

// heldPause is how often the queues are looked at.
const heldPause = 10 * time.Millisecond

// SendHeld is [Broadcaster.Send] for what a client sends to others: it may fill their
// connections' queues by half and no more, so that a fast sender does not cost slow
// receivers their connections. The sockets for which that is too much get the packet
// by [Held.Wait]; Held is nil when there are none. It concerns the sockets of this
// process: other processes send what reaches them at once.
func (b Broadcaster) SendHeld(ctx context.Context, p *Packet) (*Held, error) {
	h := &Held{limit: b.ns.server.patientQueue, stall: b.ns.server.stallTimeout}
	err := b.send(ctx, p, h)
	if len(h.behind) == 0 {
		h = nil
	}
	return h, err
}

// add remembers a socket whose queue is too full.
func (h *Held) add(s *Socket, o *outgoing) {
	h.behind = append(h.behind, heldSocket{s, *o, time.Now()})
}

// Wait sends the packet to each socket as soon as its queue has emptied enough. A
// connection on which nothing leaves for Engine.StallTimeout is closed as too slow. A
// socket that has gone gets nothing. Wait blocks until no socket is left or ctx ends.
func (h *Held) Wait(ctx context.Context) {
	tick := time.NewTicker(heldPause)
	defer tick.Stop()
	for len(h.behind) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		h.behind = slices.DeleteFunc(h.behind, func(b heldSocket) bool { return b.s.Gone() })
		for i := range h.behind {
			h.try(&h.behind[i], now)
		}
		h.behind = slices.DeleteFunc(h.behind, func(b heldSocket) bool { return b.s == nil })
	}
}

// hysteresis is the part of the limit that has to leave before a connection gets the next
// packet, so that this one does not fill it again at once. It is small, so that a slow
// reader gets there in time.
const hysteresis = 16

// try looks after one socket, and forgets it when it got the packet or was closed.
func (h *Held) try(b *heldSocket, now time.Time) {
	if b.s.conn.session.Queued() <= h.limit-h.limit/hysteresis {
		b.since = now // it reads, although other senders may fill its queue again first
		if !errors.Is(b.s.emit(&b.o), ErrBusy) {
			b.s = nil
			return
		}
	}
	if now.Sub(b.since) >= h.stall {
		b.s.conn.session.Abort(engineio.ReasonSlowConsumer)
		b.s = nil
	}
}

// Hold makes the goroutine that reads the connection wait until done is closed, but no
// longer than most: the other packets of the client, pongs included, must be read now and
// then. Nothing of the client is read meanwhile, and the client does not count as silent.
// Only inline handlers may call it. It reports false when the connection has ended.
func (s *Socket) Hold(done <-chan struct{}, most time.Duration) bool {
	return s.conn.session.Wait(done, most)
}
