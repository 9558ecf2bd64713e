package sessions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Backlog is what the receivers of a relayed event have to read before they can take
// more.
type Backlog interface {
	// Wait blocks until they have room again, or ctx ends.
	Wait(ctx context.Context)
}

// RelayEvent is an event on its way from a socket to other members of its rooms.
type RelayEvent struct {
	Room string // "": all rooms of the sender
	Size int    // the bytes that it holds while it waits
	// Send sends it for what its sender is in each of the rooms. It blocks for at most ctx,
	// and returns whom the socket has to wait for; nil for nobody.
	Send func(ctx context.Context, from []wire.Sender) (Backlog, error)
}

// Relay has an event sent and answered when its turn comes, behind those that the
// socket sent before, or says why not. While others have no room for what the client sent
// before, or too much of it waits, the client is not read: called on the goroutine that
// reads the connection, Relay blocks then.
func (s *Socket) Relay(x RelayEvent, a rooms.Acker) error {
	ss, relays := s.all, s.relaying()
	if !relays.await(s.conn, ss.Clock) {
		return wire.ErrShuttingDown // the connection has ended
	}
	deadline := ss.Clock.Now().Add(ss.StoreTimeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	way, err := s.route(x.Room)
	if err != nil {
		return err
	}
	return s.postRelay(relays, x.Size, func() { s.runRelay(relays, deadline, way, x, a) })
}

// runRelay is the executor's half of a relay.
func (s *Socket) runRelay(relays *relaying, deadline time.Time, way targets, x RelayEvent, a rooms.Acker) {
	ss := s.all
	if s.gone() {
		return
	}
	if held := relays.heldUntil.Add(ss.StoreTimeout); held.After(deadline) {
		deadline = held // the wait was not the store's
	}
	held, err := s.sendRelayed(ss.Deadlines.Shared(deadline), way, x)
	if err != nil {
		ss.Refuse(a, err, "relay")
	} else {
		a.Answer(ackOK)
	}
	if held != nil {
		relays.sendHeld(held, ss.Node)
	}
}

func (s *Socket) sendRelayed(ctx context.Context, way targets, x RelayEvent) (Backlog, error) {
	members, err := way.members(ctx)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("its turn came too late: %w", ctx.Err())
	}
	now := s.all.StoreNow()
	from := make([]wire.Sender, len(members))
	for i, m := range members {
		from[i] = wire.Sender{ConnID: m.ConnID, UserID: m.UserID, RoomID: m.Room.ID, AtMs: now}
	}
	return x.Send(ctx, from)
}

// targets are the rooms that an event goes to.
type targets struct {
	named string // the room that it names; "": all that the sender is in
	stops []relayTarget
}

// relayTarget is one of these rooms.
type relayTarget struct {
	room   string
	member *owned.Member // the sender's; nil: in tells
	// in gives, once the requests before the event took effect, the sender's
	// owned member: nil if it is not in the room.
	in chan *owned.Member
}

// route lists where an event goes: to the room that it names, or to all rooms of the socket.
// s.mu is held.
func (s *Socket) route(room string) (targets, error) {
	way := targets{named: room}
	for _, st := range s.sessions {
		if !st.wantsRoom || room != "" && room != st.roomID() {
			continue
		}
		next := relayTarget{room: st.roomID()}
		if st.joinsOpen > 0 {
			in := make(chan *owned.Member, 1)
			if !st.executor.Post(func() { in <- st.member.Load() }, maxQueuedTasks, s.all.Go) {
				return way, wire.ErrTooManyWaiting
			}
			next.in = in
		} else if next.member = st.member.Load(); next.member == nil {
			continue
		}
		way.stops = append(way.stops, next)
	}
	if room != "" && len(way.stops) == 0 {
		return way, wire.NotJoined(room)
	}
	return way, nil
}

// members waits for the joins under way and returns what the sender is in the rooms
// that it is in.
func (way targets) members(ctx context.Context) ([]*owned.Member, error) {
	members := make([]*owned.Member, 0, len(way.stops))
	for _, next := range way.stops {
		m := next.member
		if m == nil {
			select {
			case m = <-next.in:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for a join of room %q: %w", next.room, ctx.Err())
			}
		}
		if m != nil {
			members = append(members, m)
		}
	}
	if way.named != "" && len(members) == 0 {
		return nil, wire.NotJoined(way.named)
	}
	return members, nil
}

const (
	// maxAhead and maxAheadBytes are how far the goroutine that reads a client may be ahead
	// of the executor that relays what the client sent: beyond that the client is not read. They
	// are below what may wait at all, which is for a store that does not answer.
	maxAhead      = maxQueuedTasks / 4
	maxAheadBytes = maxQueuedBytes / 4
	// relayStep is how long one relay may keep its client from being read. One that takes
	// longer waits for the store, and the client's heartbeats must not.
	relayStep = 100 * time.Millisecond
	// longestHold bounds how long one event of a client waits to be read.
	longestHold = 5 * time.Second
)

// relaying is what a socket has its events relayed with: an executor, and what tells the
// goroutine that reads the connection when to wait for it.
type relaying struct {
	executor  serial.Executor
	heldUntil time.Time // when the others last had room again; of the executor

	mu      sync.Mutex
	waiting int // relays in the executor
	bytes   int // of these
	// full is closed when the others have room for what was relayed; nil: they have.
	full chan struct{}
	// step is closed when the executor ends a relay, or has to hold one; nil: nobody waits for that.
	step chan struct{}
	slow bool // the executor was waited for in vain, and has ended no relay since
}

// await blocks the goroutine that reads the connection while the others have no room for
// what the client sent, or the executor is too far behind. It reports false when the connection
// has ended.
func (r *relaying) await(p Conn, c clock.Clock) bool {
	for begin := c.Now(); c.Now().Sub(begin) < longestHold; {
		full, step := r.behind()
		switch {
		case full != nil:
			if !p.Hold(full, longestHold) {
				return false
			}
		case step == nil:
			return true
		case !p.Hold(step, relayStep):
			return false
		default:
			r.lookAt(step)
		}
	}
	return true
}

// behind returns what to wait for before more is read: the receivers, or a step of the executor.
func (r *relaying) behind() (full, step <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full != nil || r.slow || r.waiting < maxAhead && r.bytes < maxAheadBytes {
		return r.full, nil
	}
	if r.step == nil {
		r.step = make(chan struct{})
	}
	return nil, r.step
}

// lookAt notes whether a step was waited for in vain.
func (r *relaying) lookAt(step <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-step:
	default:
		r.slow = true
	}
}

// relaying is what the socket's events are relayed with, made when first needed.
func (s *Socket) relaying() *relaying {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relays == nil {
		s.relays = new(relaying)
	}
	return s.relays
}

// postRelay queues an operation on the executor of the socket's relayed events, and counts
// its bytes as waiting. s.mu is held.
func (s *Socket) postRelay(r *relaying, size int, op func()) error {
	if !s.takes(size) {
		return wire.ErrTooManyWaiting
	}
	r.add(size)
	ok := r.executor.Post(func() {
		op()
		r.done(size)
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueuedTasks, s.all.Go)
	if !ok {
		r.done(size)
		return wire.ErrTooManyWaiting
	}
	s.queued += size
	return nil
}

// add counts a relay that was posted to the executor.
func (r *relaying) add(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting++
	r.bytes += size
}

// done counts it out when the executor has ended it.
func (r *relaying) done(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	r.bytes -= size
	r.stepped()
}

// sendHeld waits until the others have room for what the client sent. An operation of the
// executor.
func (r *relaying) sendHeld(held Backlog, n *core.Node) {
	full := make(chan struct{})
	r.hold(full)
	held.Wait(n.Ctx)
	r.hold(nil)
	r.heldUntil = n.Clock.Now()
	close(full)
}

// hold notes what has to be closed before the executor goes on; nil: it goes on.
func (r *relaying) hold(full chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	r.stepped()
}

// stepped wakes who waits for a step of the executor. The lock is held.
func (r *relaying) stepped() {
	r.slow = false
	if r.step != nil {
		close(r.step)
		r.step = nil
	}
}
