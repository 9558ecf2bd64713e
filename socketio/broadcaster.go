package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
)

// Broadcaster addresses a set of sockets of a namespace: all of them, or once To
// was called those of the rooms given to it, without those of the rooms given to
// Except. The id of a socket addresses that socket and nobody else. A socket gets a
// packet once, however many of the rooms it is in. It is a small value; each
// method returns a changed copy.
type Broadcaster struct {
	ns       *Namespace
	to       audience
	senders  []json.RawMessage // of the first of its rooms
	volatile bool
	local    bool
}

// audience is whom a broadcast is for.
type audience struct {
	narrowed bool // to the sockets in any of rooms; else all
	rooms    []string
	except   []string // less the sockets in any of these
}

// nobody reports whether no socket can be addressed.
func (a *audience) nobody() bool { return a.narrowed && len(a.rooms) == 0 }

// To adds rooms whose sockets are addressed. With an empty list it adds nobody:
// a Broadcaster that was given only empty lists addresses no socket at all.
func (b Broadcaster) To(rooms ...string) Broadcaster {
	b.to.narrowed = true
	b.to.rooms = extend(b.to.rooms, rooms)
	return b
}

// ToAs is To with one room, whose sockets are told the sender, JSON text, if they
// expect one (see [Socket.ExpectSender]); the text must be valid. A socket in
// several of the rooms is told that of the first.
func (b Broadcaster) ToAs(room string, sender json.RawMessage) Broadcaster {
	b = b.To(room)
	senders := make([]json.RawMessage, len(b.to.rooms))
	copy(senders, b.senders)
	senders[len(senders)-1] = sender
	b.senders = senders
	return b
}

// Volatile leaves out sockets for which more than 64 KiB wait to be sent: for what
// is worth nothing later.
func (b Broadcaster) Volatile() Broadcaster {
	b.volatile = true
	return b
}

// Except adds rooms whose sockets are left out.
func (b Broadcaster) Except(rooms ...string) Broadcaster {
	b.to.except = extend(b.to.except, rooms)
	return b
}

// extend never writes into what an earlier value shares.
func extend(list, more []string) []string {
	if len(list) == 0 {
		return more
	}
	return append(slices.Clip(list), more...)
}

// Local keeps to the sockets of this process, past any [Adapter].
func (b Broadcaster) Local() Broadcaster {
	b.local = true
	return b
}

// Emit sends an event; see [Socket.Emit] for the arguments. Packets for sockets
// of this process are queued when it returns, and it does not block for them;
// ctx bounds the adapter's part, whose errors it returns.
func (b Broadcaster) Emit(ctx context.Context, event string, args ...any) error {
	p, err := encodeEvent(b.ns.name, event, args)
	if err != nil {
		return err
	}
	return b.Send(ctx, p)
}

// EmitRaw is [Broadcaster.Emit] with arguments that are JSON text already.
func (b Broadcaster) EmitRaw(ctx context.Context, event string, args ...json.RawMessage) error {
	p, err := NewEvent(b.ns.name, event, args...)
	if err != nil {
		return err
	}
	return b.Send(ctx, p)
}

// Send is [Broadcaster.Emit] with a packet made before. It fails with
// [ErrNamespace] when that was for another namespace.
//
// Both fail with [ErrTooLarge] when a packet above the bound of a connection's queue
// was refused for some sockets of this process; the others get it.
func (b Broadcaster) Send(ctx context.Context, p *Packet) error { return b.send(ctx, p, nil) }

// send is Send; held remembers whom it holds the packet back from, if it is not nil.
func (b Broadcaster) send(ctx context.Context, p *Packet, held *Held) error {
	if p.namespace != b.ns.name {
		return ErrNamespace
	}
	o := b.broadcast(p)
	err := b.ns.deliver(&o, held)
	return cmp.Or(b.publish(ctx, p), err)
}

// Disconnect disconnects the sockets as [Socket.Disconnect] does, through the
// adapter those of other processes, too.
func (b Broadcaster) Disconnect(ctx context.Context) error {
	b.ns.disconnect(b.to)
	return b.publish(ctx, nil)
}

func (b Broadcaster) publish(ctx context.Context, p *Packet) error {
	a := b.ns.adapter.Load()
	if a == nil || b.local || b.to.nobody() {
		return nil
	}
	out := b.broadcast(p)
	return a.Publish(ctx, &out)
}

func (b *Broadcaster) broadcast(p *Packet) Broadcast {
	return Broadcast{
		Namespace: b.ns.name, All: !b.to.narrowed, Rooms: b.to.rooms, Senders: b.senders,
		Except: b.to.except, Volatile: b.volatile, Packet: p,
	}
}

func (b *Broadcast) audience() audience {
	return audience{narrowed: !b.All, rooms: b.Rooms, except: b.Except}
}

// audiences holds lists of sockets for reuse.
var audiences = sync.Pool{New: func() any { return new([]*Socket) }}

// deliver queues a packet for the local sockets that are addressed. No lock is
// held meanwhile, so a socket that leaves a room just then may still get it.
func (n *Namespace) deliver(b *Broadcast, held *Held) error {
	list := audiences.Get().(*[]*Socket)
	defer audiences.Put(list)
	to := b.audience()
	if len(b.Senders) == 0 || len(b.Rooms) == 1 {
		return n.deliverFrom(b, list, to, b.senderOf(0), nil, held)
	}
	var err error
	heard := make(map[*Socket]struct{})
	for i := range b.Rooms {
		to.rooms = b.Rooms[i : i+1]
		err = cmp.Or(n.deliverFrom(b, list, to, b.senderOf(i), heard, held), err)
	}
	return err
}

// deliverFrom is deliver to a part of the audience, with one sender, but for
// sockets that heard it before. list is for its use.
func (n *Namespace) deliverFrom(
	b *Broadcast, list *[]*Socket, to audience, sender json.RawMessage, heard map[*Socket]struct{}, held *Held,
) (err error) {
	o := outgoing{packet: b.Packet, sender: sender, volatile: b.Volatile}
	if held != nil {
		o.limit = held.limit
	}
	*list = n.collect((*list)[:0], to)
	for _, s := range *list {
		if heard != nil {
			if _, again := heard[s]; again {
				continue
			}
			heard[s] = struct{}{}
		}
		switch refused := s.emit(&o); { // a socket that is going away misses nothing
		case errors.Is(refused, ErrTooLarge):
			err = refused
		case errors.Is(refused, ErrBusy):
			held.add(s, &o)
		}
	}
	clear(*list)
	return err
}

func (n *Namespace) disconnect(to audience) {
	for _, s := range n.collect(nil, to) {
		s.Disconnect()
	}
}
