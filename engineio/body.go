package engineio

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// longAgo is the deadline that ends a read or write that is under way.
var longAgo = time.Unix(1, 0)

var errEnded = errors.New("engineio: the session has ended")

// postReader reads the body of a POST. Each part of it must come within StallTimeout, and the end of
// the session ends a read: its client could not be answered, nor be asked for a pong, meanwhile.
type postReader struct {
	c    *pollCarrier
	body io.Reader
	ctl  *http.ResponseController
}

// Read implements io.Reader.
func (p *postReader) Read(b []byte) (int, error) {
	s := p.c.s
	s.mu.Lock()
	open := s.isOpen()
	if open {
		p.c.reading = p.ctl
		p.ctl.SetReadDeadline(time.Now().Add(s.srv.cfg.StallTimeout)) // unsupported: then without
	}
	s.mu.Unlock()
	if !open {
		return 0, errEnded
	}
	return p.body.Read(b)
}

// done gives the connection back, which may serve other handlers next.
func (p *postReader) done() {
	s := p.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.c.reading = nil
	if s.isOpen() {
		p.ctl.SetReadDeadline(time.Time{})
	}
}
