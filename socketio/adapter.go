package socketio

import (
	"context"
	"errors"
	"sync/atomic"
)

// Adapter carries broadcasts between processes. [Server.SetAdapter] and
// [Namespace.SetAdapter] take one.
type Adapter interface {
	// RoomOpened is called after the first socket of this process entered a
	// room, and RoomClosed after the last one left it. Calls come one at a time
	// per namespace and in order, but may come just after Join or Leave has
	// returned. A socket's own id is no such room. They must not block; they
	// may call the server.
	RoomOpened(namespace, room string)
	RoomClosed(namespace, room string)
	// Publish sends a broadcast to all other processes, which give it to
	// DeliverLocal; this process's own sockets have it already. It is not called
	// for a broadcast to nobody.
	Publish(ctx context.Context, b *Broadcast) error
}

var errAdapter = errors.New("socketio: an adapter is set already")

// attached is an adapter in use.
type attached struct {
	Adapter
	off atomic.Bool // it was taken off, and is told nothing any more
}

// SetAdapter connects the server to others: from now on broadcasts that are not
// [Broadcaster.Local] go to a.Publish too, and a hears of every room that has
// local sockets, those that are there already included. It serves all namespaces
// but those that have an adapter of their own, see [Namespace.SetAdapter]. A nil
// adapter takes the present one off. It fails when there is one.
func (s *Server) SetAdapter(a Adapter) error {
	changed, err := s.setAdapter(a)
	for _, n := range changed { // without the lock, since adapters may call back
		n.tellAdapter()
	}
	return err
}

func (s *Server) setAdapter(a Adapter) (changed []*Namespace, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.adapter, err = s.adapter.replace(a); err != nil {
		return nil, err
	}
	for _, n := range s.namespaces {
		if n.own == nil {
			n.attach(s.adapter)
			changed = append(changed, n)
		}
	}
	return changed, nil
}

// SetAdapter gives the namespace an adapter of its own, in place of the server's:
// see [Server.SetAdapter]. A nil adapter takes it off, after which that of the
// server is used again. It fails when there is one.
func (n *Namespace) SetAdapter(a Adapter) error {
	err := n.setAdapter(a)
	n.tellAdapter()
	return err
}

func (n *Namespace) setAdapter(a Adapter) (err error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if n.own, err = n.own.replace(a); err != nil {
		return err
	}
	if n.own != nil {
		n.attach(n.own)
	} else {
		n.attach(n.server.adapter)
	}
	return nil
}

// replace returns what a makes of the adapter before it, nil being none.
func (before *attached) replace(a Adapter) (*attached, error) {
	switch {
	case a == nil && before != nil:
		before.off.Store(true)
		return nil, nil
	case a == nil:
		return nil, nil
	case before != nil:
		return before, errAdapter
	}
	return &attached{Adapter: a}, nil
}

// attach makes a the adapter that serves the namespace, nil being none. The one
// before, unless it was taken off, is to hear that the rooms are closed. The
// server's lock is held.
func (n *Namespace) attach(a *attached) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name := range n.rooms {
		n.notify(name, false)
	}
	n.adapter.Store(a)
	for name := range n.rooms {
		n.notify(name, true)
	}
	if a == nil { // all that waits is for adapters that were taken off
		n.notices.queue = nil
	}
}

// notices are what adapters have yet to hear of a namespace's rooms. They are told
// outside of the namespace's lock, since they may call back. All fields are guarded
// by it.
type notices struct {
	telling bool // a goroutine is at it
	queue   []notice
}

type notice struct {
	to     *attached
	room   string
	opened bool
}

// notify queues a notice for the adapter, if there is one. The namespace's lock is
// held.
func (n *Namespace) notify(room string, opened bool) {
	if a := n.adapter.Load(); a != nil {
		n.notices.queue = append(n.notices.queue, notice{a, room, opened})
	}
}

// tellAdapter hands over what is queued, unless another goroutine is at it.
func (n *Namespace) tellAdapter() {
	if n.adapter.Load() == nil {
		return
	}
	for {
		batch := n.takeNotices()
		if len(batch) == 0 {
			return
		}
		for _, notice := range batch {
			notice.tell(n)
		}
		n.mu.Lock()
		n.notices.telling = false
		n.mu.Unlock()
	}
}

func (n *Namespace) takeNotices() []notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notices.telling || len(n.notices.queue) == 0 {
		return nil
	}
	n.notices.telling = true
	batch := n.notices.queue
	n.notices.queue = nil
	return batch
}

func (x notice) tell(n *Namespace) {
	switch {
	case x.to.off.Load():
	case x.opened:
		x.to.RoomOpened(n.name, x.room)
	default:
		x.to.RoomClosed(n.name, x.room)
	}
}
