package sessions

import (
	"slices"
	"strings"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Socket is one Socket.IO connection with all the rooms that it is in or on
// its way into.
type Socket struct {
	all   *Sockets // that it is one of
	conn  Conn
	place int // among all, from 1; 0: it is known no more. Theirs

	mu       sync.Mutex
	sessions []*session // few: looked through
	closed   bool
	// minEpoch is the highest epoch of the members with the socket's own id that were given
	// up: epochs of a connId only rise.
	minEpoch int64
	// idTaken: another member has the socket's own id as its connId.
	idTaken   bool
	queued    int  // bytes of the requests that wait
	canResync bool // it has sent a presence:sync, so it notices gaps
	// silent: nothing has come for so long that its resumable members are shown away.
	silent bool

	relays *relaying // what its events are relayed with; nil before the first

	authorize *authorizeLimit // its joins in Options.Authorize; nil before the first
}

// session returns the room session for a room; nil if there is none. s.mu is held.
func (s *Socket) session(room string) *session {
	for _, st := range s.sessions {
		if st.roomID() == room {
			return st
		}
	}
	return nil
}

// wantedSessions counts the rooms that the socket is in or on its way into, and
// returns the last of them. s.mu is held.
func (s *Socket) wantedSessions() (n int, last *session) {
	for _, st := range s.sessions {
		if st.wantsRoom {
			n++
			last = st
		}
	}
	return n, last
}

// openSession returns the room session for a room, a new one if need be. s.mu is held.
func (s *Socket) openSession(room string) *session {
	st := s.session(room)
	if st == nil {
		st = &session{sock: s}
		st.executor.Init(room, st.closeIfEmpty)
		s.sessions = append(s.sessions, st)
	}
	return st
}

// maxQueuedTasks is how many operations may wait in one executor. A client that sends more
// without waiting for answers is refused with rate_limited.
const maxQueuedTasks = 1024

// maxQueuedBytes bounds the requests of a socket that wait; one that is larger waits
// alone.
const maxQueuedBytes = 4 << 20

// takes reports whether a request of so many bytes may wait. s.mu is held.
func (s *Socket) takes(size int) bool { return s.queued == 0 || s.queued+size <= maxQueuedBytes }

// GaveUp implements owned.IDSocket.
func (s *Socket) GaveUp(epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.minEpoch = max(s.minEpoch, epoch)
}

// IDTaken implements owned.IDSocket.
func (s *Socket) IDTaken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idTaken = true
}

func (s *Socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// gone reports whether no answer can reach the client any more. The close that follows may
// not have come yet. s.mu is not held.
func (s *Socket) gone() bool { return s.conn.Ended() || s.isClosed() }

// Users lists the user ids of the socket in its rooms, for the log.
func (s *Socket) Users() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, st := range s.sessions {
		if m := st.member.Load(); m != nil && !slices.Contains(names, m.UserID) {
			names = append(names, m.UserID)
		}
	}
	return strings.Join(names, " ")
}

// MemberOf is the member that the socket is in a room.
func (s *Socket) MemberOf(roomID string) (wire.Member, bool) {
	s.mu.Lock()
	st := s.session(roomID)
	s.mu.Unlock()
	if st == nil {
		return wire.Member{}, false
	}
	m := st.member.Load()
	if m == nil {
		return wire.Member{}, false
	}
	return m.Public()
}
