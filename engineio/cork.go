package engineio

import (
	"sync"
	"sync/atomic"
)

// cork has sessions wait that something was sent to, until all of it was sent.
type cork struct {
	in atomic.Int32 // how many Corks are in; changed with mu

	mu      sync.Mutex
	waiting []*Session // to be flushed when the last one is out
	spare   []*Session
}

// Cork has frames that are sent from now on wait until Uncork, so that those for one WebSocket leave in
// one write. It is for a goroutine that is about to send several things, one after the other: nothing may
// block it until Uncork, since what other goroutines send meanwhile waits, too. Each Cork needs an
// Uncork; they may overlap. Both are safe for concurrent use.
func (srv *Server) Cork() {
	c := &srv.cork
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.Add(1)
}

// Uncork ends a Cork. With the last one the frames leave that waited, as they would have without.
func (srv *Server) Uncork() {
	c := &srv.cork
	c.mu.Lock()
	if c.in.Add(-1) > 0 || len(c.waiting) == 0 {
		c.mu.Unlock()
		return
	}
	sessions := c.waiting
	c.waiting, c.spare = c.spare, nil
	c.mu.Unlock()
	for _, s := range sessions {
		s.flushSoon()
	}
	clear(sessions)
	c.mu.Lock()
	c.spare = sessions[:0]
	c.mu.Unlock()
}

// add takes a session that is to be flushed. It reports false when no Cork is in.
func (c *cork) add(s *Session) bool {
	if c.in.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in.Load() == 0 {
		return false
	}
	c.waiting = append(c.waiting, s)
	return true
}
