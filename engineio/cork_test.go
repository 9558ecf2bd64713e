package engineio

import (
	"sync"
	"testing"
)

// What is sent between Cork and Uncork waits for the last Uncork.
func TestCork(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	s := e.session().s
	s.flushBy(t, s.flusher)
	e.srv.Cork()
	e.srv.Cork()
	s.Send(NewFrame([]byte("a"), false))
	s.Send(NewFrame([]byte("b"), false))
	if len(e.srv.cork.waiting) != 1 || s.Queued() == 0 {
		t.Errorf("%d sessions wait, with %d bytes in the queue", len(e.srv.cork.waiting), s.Queued())
	}
	e.srv.Uncork()
	if s.Queued() == 0 {
		t.Error("it left before the last Uncork")
	}
	e.srv.Uncork()
	if n := s.Queued(); n > 0 {
		t.Errorf("%d bytes are in the queue behind the last Uncork", n)
	}
	c.want("4a")
	c.want("4b")
	s.Send(NewFrame([]byte("c"), false))
	if n := s.Queued(); n > 0 {
		t.Errorf("%d bytes are in the queue when no Cork is in", n)
	}
	c.want("4c")
}

// Nothing that is sent while others cork and uncork is forgotten.
func TestCorksOfManyGoroutines(t *testing.T) {
	e := newTCPEnv(t, Config{})
	const senders, each = 8, 300
	clients := []*wsClient{e.openWS(), e.openWS()}
	sessions := []*Session{e.session().s, e.session().s}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				corked := (i+n)%3 > 0
				if corked {
					e.srv.Cork()
				}
				for _, s := range sessions {
					s.Send(NewFrame([]byte("x"), false))
				}
				if corked {
					e.srv.Uncork()
				}
			}
		})
	}
	for _, c := range clients {
		for range senders * each {
			c.want("4x")
		}
	}
	wg.Wait()
	if n := e.srv.cork.in.Load(); n != 0 {
		t.Errorf("%d corks are in", n)
	}
}
