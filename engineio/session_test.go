package engineio

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// Frames of one Send stay together whatever others send, and none is lost.
func TestSendConcurrently(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		c := e.openWS()
		s := e.session().s
		const senders, each = 8, 200
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for j := range each {
					head := NewFrame([]byte{byte('a' + i)}, false)
					tail := make([]byte, 4, 1<<10)
					binary.BigEndian.PutUint32(tail, uint32(j))
					if err := s.Send(head, NewFrame(append(tail, make([]byte, j)...), true)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var next [senders]uint32
		for range senders * each {
			op, head := c.recv()
			op2, tail := c.recv()
			if op != ws.OpText || op2 != ws.OpBinary || len(head) != 2 {
				t.Fatalf("got %v %q, %v", op, head, op2)
			}
			i := head[1] - 'a'
			if got := binary.BigEndian.Uint32(tail); got != next[i] || len(tail) != 4+int(got) {
				t.Fatalf("sender %d: got number %d with %d bytes, want %d", i, got, len(tail), next[i])
			}
			next[i]++
		}
		wg.Wait()
	})
}

// More than a connection takes at once is written by a goroutine of its own, in order.
func TestSendMoreThanFits(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{MaxQueueBytes: 64 << 20})
		c := e.openWS()
		s := e.session().s
		big := strings.Repeat("b", 300<<10)
		for range 100 {
			if err := s.Send(NewFrame([]byte("small"), false), NewFrame([]byte(big), false)); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			c.want("4small")
			c.want("4" + big)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for s.writing { // the writer is about to note that it is done
			s.mu.Unlock()
			s.mu.Lock()
		}
		if s.outBytes != 0 || s.out != nil {
			t.Errorf("%d bytes, %v left", s.outBytes, s.out)
		}
	})
}

// The deadline of a drain does not outlive it.
func TestSendAfterDrain(t *testing.T) {
	e := newTCPEnv(t, Config{StallTimeout: 2 * time.Second, PingInterval: 2500 * time.Millisecond, MaxQueueBytes: 64 << 20})
	c := e.openWS()
	s := e.session().s
	for range 20 {
		s.Send(NewFrame(make([]byte, 1<<20), true))
	}
	for range 20 {
		c.recv()
	}
	c.want("2") // comes after the deadline
}

func TestSlowConsumerQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{MaxPayload: 1000, MaxQueueBytes: 10_000})
		c := e.openWS()
		s := e.session()
		f := NewFrame(make([]byte, 996), true) // 1000 bytes on the wire
		for range 10 {
			if err := s.s.Send(f); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := s.s.Send(f); !errors.Is(err, ErrSlowConsumer) {
			t.Errorf("Send over the bound: %v", err)
		}
		if err := s.s.Send(f); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after that: %v", err)
		}
		s.wantClosed(t, ReasonSlowConsumer)
		c.conn.Close()
	})
}

func TestSlowConsumerStalls(t *testing.T) {
	t.Run("pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newPipeEnv(t, Config{})
			e.openWS()
			s := e.session()
			start := time.Now()
			s.s.Send(NewFrame([]byte("x"), false))
			s.wantClosed(t, ReasonSlowConsumer)
			if took := time.Since(start).Round(10 * time.Millisecond); took != 10*time.Second {
				t.Errorf("closed after %v", took)
			}
		})
	})
	t.Run("tcp", func(t *testing.T) {
		e := newTCPEnv(t, Config{StallTimeout: 20 * time.Millisecond, MaxQueueBytes: 256 << 20})
		e.openWS()
		s := e.session()
		f := NewFrame(make([]byte, 1<<20), true)
		for range 100 {
			if s.s.Send(f) != nil {
				break
			}
		}
		s.wantClosed(t, ReasonSlowConsumer)
	})
}

// A consumer that is slow but not still is kept.
func TestSlowConsumerProgresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{PingInterval: time.Hour})
		c := e.openWS()
		s := e.session().s
		for range 10 {
			s.Send(NewFrame(make([]byte, plainWriteSize), true))
		}
		for range 10 {
			time.Sleep(9 * time.Second)
			c.recv()
		}
		if !s.isOpen() {
			t.Error("closed")
		}
	})
}

func TestWaitDuringHandleMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, done := make(chan struct{}), make(chan struct{})
		e := newPipeEnv(t, Config{}, onMessage(func(s *Session, data []byte, _ bool) {
			s.Send(NewFrame([]byte("held"), false))
			if string(data) == "wait" {
				if !s.Wait(done, 0) {
					t.Error("the session has not ended")
				}
				s.Send(NewFrame([]byte("after"), false))
			}
			<-release
		}))
		c := e.openWS()
		c.send("4wait")
		c.want("4held")
		close(done)
		c.want("4after")
		synctest.Wait() // its writer is done
		release <- struct{}{}
		c.send("4hold")
		synctest.Wait()
		s := e.session().s
		s.mu.Lock()
		if s.out == nil || len(s.out.frames) != 1 || s.writing {
			t.Error("a frame of the turn did not wait for its end")
		}
		s.mu.Unlock()
		release <- struct{}{}
		c.want("4held")
	})
}

// A HandleMessage waits no longer than it wants to, and not beyond the end of its session.
// The client counts as heard when it is over.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := make(chan bool)
		e := newPipeEnv(t, Config{}, onMessage(func(s *Session, data []byte, _ bool) {
			most := 5 * time.Second
			if string(data) == "for long" {
				most = 0
			}
			results <- s.Wait(nil, most)
		}))
		c := e.openWS()
		s := e.session().s
		start := time.Now()
		c.send("4bounded")
		if ok, took := <-results, time.Since(start); !ok || took != 5*time.Second {
			t.Errorf("%v after %v", ok, took)
		}
		if silent := time.Since(s.LastPacket()); silent != 0 {
			t.Errorf("the client counts as silent for %v", silent)
		}
		c.send("4for long")
		synctest.Wait()
		s.Close(ReasonForcedClose)
		if <-results {
			t.Error("did not notice the end of the session")
		}
	})
}

func TestCloseSendsWhatIsQueued(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		c := e.openWS()
		s := e.session()
		s.s.Send(NewFrame([]byte("last"), false))
		s.s.Close(ReasonForcedClose)
		s.s.Close(ReasonShutdown) // changes nothing
		s.wantClosed(t, ReasonForcedClose)
		c.want("4last")
		c.wantClose(ws.StatusNormalClosure)
	})
}

// Close in the middle of a turn: the rest of the turn's messages is dropped, HandleClose comes last.
func TestCloseDuringHandleMessage(t *testing.T) {
	var handled []string
	e := newTCPEnv(t, Config{}, onMessage(func(s *Session, data []byte, _ bool) {
		handled = append(handled, string(data))
		s.Send(NewFrame([]byte("bye"), false))
		s.Close("application's reason")
	}))
	c := e.openWS()
	c.send("4one", "4two")
	c.want("4bye")
	c.wantClose(ws.StatusNormalClosure)
	e.session().wantClosed(t, "application's reason")
	if len(handled) != 1 {
		t.Errorf("handled %v", handled)
	}
}

func TestCloseDuringAccept(t *testing.T) {
	e := newTCPEnv(t, Config{}, onAccept(func(r *recorder) { r.s.Close(ReasonForcedClose) }))
	e.openWS().wantClose(ws.StatusNormalClosure)
	e.session().wantClosed(t, ReasonForcedClose)
	_, body := e.request("GET", "EIO=4&transport=polling", "")
	if !strings.HasSuffix(body, "\x1e1") {
		t.Errorf("handshake answered %q", body)
	}
	e.session().wantClosed(t, ReasonForcedClose)
}

// A client that neither reads nor closes is cut all the same.
func TestCloseDeadClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openWS()
		s := e.session()
		s.s.Close(ReasonForcedClose)
		op, _ := c.recv()
		if op != ws.OpClose {
			t.Error("got", op)
		}
		start := time.Now()
		c.wantEOF()
		if took := time.Since(start); took != closeWait {
			t.Errorf("cut after %v", took)
		}
	})
}

// A flush that begins as the session ends is waited for, and is not counted into a server that has
// closed already.
func TestServerCloseWaitsForFlushes(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			e := newPipeEnv(t, Config{})
			c := e.openWS()
			s := e.session().s
			var beside sync.WaitGroup
			beside.Go(func() { s.Send(NewFrame([]byte("x"), false)) })
			beside.Go(func() { c.conn.Close() })
			if err := e.srv.Close(context.Background()); err != nil {
				t.Error(err)
			}
			beside.Wait()
		})
	}
}
