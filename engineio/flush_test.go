package engineio

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const window = time.Millisecond
	p := &pace{window: window}
	count := func(at time.Duration, flushes int) (direct int) {
		for range flushes {
			if p.few(at) {
				direct++
			}
		}
		return direct
	}
	for i, step := range []struct {
		at      time.Duration
		flushes int
		direct  int
	}{
		{10 * window, directFlushes + 5, directFlushes},
		{11 * window, 3, 0},   // the window before had many
		{12 * window, 3, 3},   // it had three
		{13 * window, 20, 13}, // together with those three
		{13*window - 1, 1, 0}, // a goroutine that was slow to come here counts in the window that is
		{15 * window, 1, 1},   // after a pause
		{100 * 365 * 24 * time.Hour, 1, 1},
		{100*365*24*time.Hour + window, 1000, 15},
		{100*365*24*time.Hour + 2*window, 1, 0},
	} {
		if got := count(step.at, step.flushes); got != step.direct {
			t.Errorf("step %d: %d of %d flushes are made at once, want %d", i, got, step.flushes, step.direct)
		}
	}
}

// After a turn of a loop that had many sessions, flushes are gathered for a while, however few come.
func TestPaceAfterATurn(t *testing.T) {
	p := &pace{window: time.Millisecond}
	now := time.Second
	for _, step := range []struct {
		sessions int
		few      bool
	}{{directFlushes / 2, true}, {directFlushes/2 + 1, false}} {
		p.gathered(now, step.sessions)
		if got := p.few(now + 2*flushInterval - 1); got != step.few {
			t.Errorf("after a turn of %d sessions: few is %t", step.sessions, got)
		}
	}
	if !p.few(now + 2*flushInterval) {
		t.Error("the pace does not end")
	}
}

// flushBy gives a session to another loop when its handshake is noted as sent, which may be some time after
// the client has read it.
func (s *Session) flushBy(t *testing.T, loop *flusher) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		idle := s.out == nil && !s.writing && !s.dirty
		if idle {
			s.flusher = loop
		}
		s.mu.Unlock()
		switch {
		case idle:
			return
		case time.Since(begin) > 20*time.Second:
			t.Fatal("the handshake does not leave")
		}
	}
}

// While flushes are few, the goroutine that sends writes; then the flush loop does.
func TestWhoFlushes(t *testing.T) {
	e := newTCPEnv(t, Config{})
	e.srv.pace.window = 1000 * time.Hour
	c := e.openWS()
	s := e.session().s
	loop := newFlusher(e.srv) // which does not run
	s.flushBy(t, loop)
	for i := range directFlushes {
		s.Send(NewFrame([]byte("a"), false))
		if n := s.Queued(); n > 0 {
			t.Fatalf("after frame %d there are %d bytes in the queue", i, n)
		}
		c.recv()
	}
	for range 3 {
		s.Send(NewFrame([]byte("b"), false))
	}
	if len(loop.dirty) != 1 || s.Queued() == 0 {
		t.Fatalf("the loop has %d sessions, and %d bytes are in the queue", len(loop.dirty), s.Queued())
	}
	c2 := e.openWS()
	other := e.session().s
	other.flushBy(t, loop)
	e.srv.pace.counts.Store(0)
	other.Send(NewFrame([]byte("c"), false)) // goes with the one that waits, though flushes are few
	if len(loop.dirty) != 2 {
		t.Errorf("the loop has %d sessions, want 2", len(loop.dirty))
	}
	loop.turn()
	for range 3 {
		if _, data := c.recv(); string(data) != "4b" {
			t.Errorf("got %q", data)
		}
	}
	if _, data := c2.recv(); string(data) != "4c" {
		t.Errorf("got %q", data)
	}
}
