package engineio

import (
	"testing"
	"testing/synctest"
	"time"
)

var quick = Config{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}

func TestHeartbeatWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		c := e.openWS()
		s := e.session()
		for range 5 {
			start := time.Now()
			c.want("2")
			if took := time.Since(start); took != 300*time.Millisecond {
				t.Errorf("ping after %v", took)
			}
			time.Sleep(199 * time.Millisecond)
			c.send("3")
			synctest.Wait()
			if last := s.s.LastPacket(); !last.Equal(time.Now()) {
				t.Errorf("last packet at %v, now %v", last, time.Now())
			}
		}
		start := time.Now()
		c.want("2")
		s.wantClosed(t, ReasonPingTimeout)
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("closed after %v", took)
		}
		c.wantClose(1000)
	})
}

// Of a client that has vanished nothing is left after the wait for its goodbye.
func TestHeartbeatDeadLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		e.openWS()
		e.session().wantClosed(t, ReasonPingTimeout)
		time.Sleep(11 * time.Second)
		e.srv.mu.Lock()
		defer e.srv.mu.Unlock()
		if n := len(e.srv.sessions); n != 0 {
			t.Errorf("%d sessions left", n)
		}
	})
}

func TestHeartbeatPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		c := e.openPolling()
		for range 3 {
			c.wantPoll(200, "2")
			c.wantPost(200, "3")
		}
		c.wantPoll(200, "2")
		time.Sleep(200 * time.Millisecond)
		c.wantPoll(400, "")
		e.session().wantClosed(t, ReasonPingTimeout)
	})
}

func TestHeartbeatPollingTellsWaitingPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		c := e.openPolling()
		c.wantPoll(200, "2")
		c.wantPoll(200, "1")
		e.session().wantClosed(t, ReasonPingTimeout)
	})
}

func TestHeartbeatWithoutPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		e.openPolling()
		start := time.Now()
		e.session().wantClosed(t, ReasonPingTimeout)
		if took := time.Since(start); took != 500*time.Millisecond {
			t.Errorf("closed after %v", took)
		}
	})
}

// A process that was frozen finds its timers long overdue, and the pongs unread.
func TestHeartbeatLateTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openWS()
		s := e.session()
		c.want("2")
		s.s.mu.Lock()
		s.s.due -= time.Minute
		s.s.mu.Unlock()
		s.s.tick()
		synctest.Wait()
		if !s.s.isOpen() {
			t.Fatal("a late tick has closed the session")
		}
		c.send("3")
		c.want("2") // the next one
	})
}

// A ping that leaves late leaves the client time to answer.
func TestHeartbeatLatePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		c := e.openWS()
		s := e.session()
		s.s.mu.Lock()
		s.s.due -= 250 * time.Millisecond // more than the timeout
		s.s.mu.Unlock()
		c.want("2")
		time.Sleep(99 * time.Millisecond)
		c.send("3")
		start := time.Now()
		c.want("2")
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("next ping after %v", took)
		}
	})
}

// While the handler blocks, nothing is read, so that no pong can be missed.
func TestHeartbeatBusyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick, onMessage(func(s *Session, _ []byte, _ bool) {
			time.Sleep(time.Minute)
			s.Send(NewFrame([]byte("done"), false))
		}))
		c := e.openWS()
		c.send("4work")
		start := time.Now()
		c.want("2")
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("ping after %v", took)
		}
		done := async(func() { c.send("3") })
		c.want("4done")
		done()
		c.want("2")
		if !e.session().s.isOpen() {
			t.Error("closed")
		}
	})
}

func TestUnaskedPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, quick)
		c := e.openWS()
		c.send("3")
		time.Sleep(200 * time.Millisecond)
		c.send("3")
		start := time.Now()
		c.want("2")
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("ping came %v later", took)
		}
	})
}
