package socketio

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// Held is an event that some sockets of this process have no room for yet.
type Held struct {
	limit  int           // how much may wait for a connection that still gets it
	stall  time.Duration // how long a connection may stay over that
	behind []heldSocket
}

type heldSocket struct {
	s     *Socket
	o     outgoing
	since time.Time // since when it has been seen to have no room
}

// heldPause is how often it is looked whether there is room.
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

// add remembers a socket that has no room.
func (h *Held) add(s *Socket, o *outgoing) {
	h.behind = append(h.behind, heldSocket{s, *o, time.Now()})
}

// Wait sends the packet to each socket as soon as its connection has room again. A
// connection that makes none in Engine.StallTimeout is closed as too slow; who has
// gone gets nothing. It blocks until nobody is left or ctx ends.
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

// hysteresis is the part of the limit that has to leave before a connection has room again,
// so that the next packet does not wait at once: little, for who reads slowly.
const hysteresis = 16

// try looks after one socket, and forgets it when it got the packet or was closed.
func (h *Held) try(b *heldSocket, now time.Time) {
	if b.s.conn.session.Queued() <= h.limit-h.limit/hysteresis {
		b.since = now // it reads, though others may be quicker to fill its queue again
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

// holdMost is the longest that Hold blocks: what else the client sends, pongs
// included, must be read now and then.
const holdMost = 5 * time.Second

// Hold makes the goroutine that reads the connection wait, so that nothing of the client
// is read meanwhile: until done is closed, but no longer than 5 s. Only inline handlers
// may call it. The client does not count as silent for it. It reports false when the
// connection has ended.
func (s *Socket) Hold(done <-chan struct{}) bool { return s.conn.session.Wait(done, holdMost) }
