package engineio

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/memconn"
	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
)

// farEnd is the client's end of a connection in memory. It takes up to room bytes.
type farEnd struct {
	conn   *memconn.Conn
	mu     sync.Mutex
	room   int
	got    []byte
	closed bool
}

func (f *farEnd) Receive(p []byte) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(f.room, len(p))
	f.room -= n
	f.got = append(f.got, p[:n]...)
	return n
}

func (f *farEnd) Closed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// allow lets it take n bytes from now on.
func (f *farEnd) allow(n int) {
	f.mu.Lock()
	f.room = n
	f.mu.Unlock()
	f.conn.Resume()
}

// take returns what has come since the last call.
func (f *farEnd) take() string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := string(f.got)
	f.got = nil
	return got
}

func (f *farEnd) send(text string) {
	f.conn.Feed(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
}

// inMemory runs a test in fake time with a session over a connection in memory.
func inMemory(t *testing.T, cfg Config, f func(far *farEnd, r *recorder), opts ...option) {
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		e := newEnv(t, cfg, l, l.Dial, opts...)
		far := &farEnd{room: 1 << 30}
		far.conn = memconn.New(far)
		if err := l.Connect(t.Context(), far.conn); err != nil {
			t.Fatal(err)
		}
		far.conn.Feed([]byte("GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n" +
			"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n"))
		if got := far.take(); !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.Contains(got, `0{"sid":`) {
			t.Fatalf("got %q", got)
		}
		f(far, e.session())
	})
}

// A connection in memory is read as a descriptor is: no buffer is held while the reading goroutine waits, and
// it is replaced before that, a few times at first, then rarely.
func TestReadingInMemory(t *testing.T) {
	reader := ""
	inMemory(t, Config{}, func(far *farEnd, r *recorder) {
		c := r.s.carrier.(*wsCarrier)
		readers := map[string]bool{}
		ask := func() int {
			far.send("4who")
			if got := far.take(); got != "\x81\x054here" {
				t.Fatalf("got %q", got)
			}
			if c.raw == nil || c.in != nil {
				t.Fatalf("it waits with a buffer: %v, %v", c.raw, c.in)
			}
			readers[reader] = true
			return len(readers)
		}
		for i := range handOverBurst {
			if n := ask(); n != i+1 {
				t.Errorf("message %d: %d goroutines", i+1, n)
			}
		}
		for range 10 { // the next one may still be replaced
			ask()
		}
		n := ask()
		if n != handOverBurst+1 {
			t.Errorf("%d goroutines after a burst", n)
		}
		time.Sleep(handOverPause)
		ask() // on the one that waited; it is replaced now
		if got := ask(); got != n+1 {
			t.Errorf("%d goroutines after a pause, before it %d", got, n)
		}
	}, onMessage(func(s *Session, _ []byte, _ bool) {
		reader = goroutine()
		s.Send(NewFrame([]byte("here"), false))
	}))
}

// The heartbeat of a client that feeds its pong while it is told of the ping.
func TestHeartbeatInMemory(t *testing.T) {
	inMemory(t, Config{PingInterval: time.Second, PingTimeout: time.Second}, func(far *farEnd, r *recorder) {
		for range 3 {
			time.Sleep(time.Second)
			if got := far.take(); got != "\x81\x012" {
				t.Fatalf("got %q", got)
			}
			far.send("3")
		}
		time.Sleep(2 * time.Second)
		r.wantClosed(t, ReasonPingTimeout)
	})
}

// What a connection in memory does not take at once is written by a goroutine that waits for it, in order,
// and for no longer than StallTimeout without progress.
func TestWritingInMemory(t *testing.T) {
	for _, progress := range []bool{true, false} {
		inMemory(t, Config{StallTimeout: 5 * time.Second}, func(far *farEnd, r *recorder) {
			far.allow(10)
			var want bytes.Buffer
			for _, text := range []string{strings.Repeat("a", 50), strings.Repeat("b", 50)} {
				f := NewFrame([]byte(text), false)
				want.Write(f.wire)
				if err := r.s.Send(f); err != nil {
					t.Fatal(err)
				}
			}
			if got := far.take(); got != want.String()[:10] {
				t.Errorf("got %q before there is room", got)
			}
			time.Sleep(4 * time.Second)
			if progress {
				far.allow(15)
				if got := far.take(); got != want.String()[10:25] {
					t.Errorf("got %q", got)
				}
				time.Sleep(4 * time.Second)
				far.allow(1 << 20)
				if got := far.take(); got != want.String()[25:] || r.s.Queued() != 0 {
					t.Errorf("got %q, and %d bytes wait", got, r.s.Queued())
				}
				return
			}
			time.Sleep(2 * time.Second)
			r.wantClosed(t, ReasonSlowConsumer)
			if !far.closed {
				t.Error("the connection is open")
			}
		})
	}
}

// A client that is gone ends its session.
func TestHangUpInMemory(t *testing.T) {
	inMemory(t, Config{}, func(far *farEnd, r *recorder) {
		far.conn.HangUp()
		r.wantClosed(t, ReasonTransportClose)
	})
}
