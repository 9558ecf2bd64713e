package socketio

import "context"

// Adapter carries broadcasts between processes. [Server.SetAdapter] takes one.
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

// notices are what an adapter has yet to hear of rooms. It is told outside of
// the namespace's lock, since it may call back. All fields are guarded by it.
type notices struct {
	live    bool // there is an adapter
	telling bool // a goroutine is at it
	queue   []notice
}

type notice struct {
	room   string
	opened bool
}

// add queues a notice; the caller holds the namespace's lock.
func (q *notices) add(room string, opened bool) {
	if q.live {
		q.queue = append(q.queue, notice{room, opened})
	}
}

func (q *notices) stop(n *Namespace) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q.live, q.queue = false, nil
}

// announceRooms begins to tell a new adapter about rooms: first those that are
// open now.
func (n *Namespace) announceRooms() {
	n.mu.Lock()
	if !n.notices.live {
		n.notices.live = true
		for name := range n.rooms {
			n.notices.add(name, true)
		}
	}
	n.mu.Unlock()
	n.tellAdapter()
}

// tellAdapter hands over what is queued, unless another goroutine is at it.
func (n *Namespace) tellAdapter() {
	if n.server.adapter.Load() == nil {
		return
	}
	for {
		batch := n.takeNotices()
		if len(batch) == 0 {
			return
		}
		for _, notice := range batch {
			n.tell(notice)
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

func (n *Namespace) tell(notice notice) {
	a := n.server.adapter.Load()
	switch {
	case a == nil:
	case notice.opened:
		(*a).RoomOpened(n.name, notice.room)
	default:
		(*a).RoomClosed(n.name, notice.room)
	}
}
