package sessions

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
)

// Conn is a socket as the sessions need it. None of its methods but Hold blocks.
type Conn interface {
	ID() string
	// Deliver queues a frame that Options.Encode made.
	Deliver(f rooms.Frame)
	// ExpectSender returns what answers in place of a, and has each event of the
	// application after that answer end with its sender.
	ExpectSender(a rooms.Acker) rooms.Acker
	// Enter and Exit keep the socket in a Socket.IO room, by its name.
	Enter(room string)
	Exit(room string)
	// LastPacket is when the client last sent anything at all.
	LastPacket() time.Time
	// SetHeals says that the client notices gaps and syncs after them.
	SetHeals()
	// Busy reports whether so much waits to be sent that a snapshot has to wait too.
	Busy() bool
	// Ended reports whether nothing can be sent any more.
	Ended() bool
	// Address is where the client is.
	Address() string
	// OnNextPacket has f called once, when the client next sends anything at all. f
	// does not block.
	OnNextPacket(f func())
	// Hold makes the goroutine that reads the connection, which calls it, wait until done
	// is closed, for at most some time. It reports false when the connection has ended.
	Hold(done <-chan struct{}, most time.Duration) bool
	// Drop closes the transport as silent.
	Drop()
	// Disconnect sends a disconnect packet, after which the client does not reconnect by
	// itself.
	Disconnect()
}

// Sockets are the sockets of a node.
type Sockets struct {
	*core.Node
	owned *owned.Members

	mu sync.Mutex
	// all are in no order; each knows its place. A list, and not a map, since it is looked through all
	// the time: what is in it tells of nearly all sockets that they are not silent.
	all []known
}

// known is a socket, and a time until which it was silent at most: when it was heard last, as far as was
// looked.
type known struct {
	*Socket
	heard time.Time
}

// New returns the sockets of a node: none is known.
func New(o *owned.Members) *Sockets {
	return &Sockets{Node: o.Node, owned: o}
}

// Connect makes a socket known.
func (ss *Sockets) Connect(p Conn) *Socket {
	s := &Socket{all: ss, conn: p}
	ss.mu.Lock()
	ss.all = append(ss.all, known{Socket: s})
	s.place = len(ss.all)
	ss.mu.Unlock()
	return s
}

// forget takes a socket out, unless it is out.
func (ss *Sockets) forget(s *Socket) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	i, last := s.place-1, len(ss.all)-1
	if i < 0 {
		return
	}
	ss.all[i] = ss.all[last]
	ss.all[i].place = i + 1
	s.place = 0
	ss.all[last] = known{}
	ss.all = ss.all[:last]
	if c := cap(ss.all); c > 1024 && last < c/4 {
		ss.all = append(make([]known, 0, c/2), ss.all...)
	}
}

// Known is how many sockets are known.
func (ss *Sockets) Known() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.all)
}

// Sessions lists the sockets' places in rooms.
func (ss *Sockets) Sessions() (list []owned.Session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.all {
		s.mu.Lock()
		for _, st := range s.sessions {
			list = append(list, st)
		}
		s.mu.Unlock()
	}
	return list
}
