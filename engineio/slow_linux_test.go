package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/unsent"
)

// A client that reads slowly is seen to read: the kernel does not take megabytes for it, of which a
// third has to leave before it takes more.
func TestSlowReadingIsSeen(t *testing.T) {
	e := newTCPEnv(t, Config{MaxQueueBytes: 64 << 20})
	c := e.openWS()
	c.conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	s := e.session().s
	for range 400 {
		s.Send(text(50_000, "x"))
	}
	tooLong := time.Now().Add(10 * time.Second)
	for i := range 20 {
		before := s.Queued()
		if _, err := io.CopyN(io.Discard, c.br, 512<<10); err != nil {
			t.Fatal(err)
		}
		for s.Queued() == before {
			if time.Now().After(tooLong) {
				t.Fatalf("nothing left the server's queue of %d bytes while the client read 512 KB, after %d times that", before, i)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// What the kernel takes for a connection is bounded when it is opened, unless its listener did that.
func TestUnsentIsBoundedOnce(t *testing.T) {
	const notSentLowat, most = 25, 256 << 10
	for _, byListener := range []bool{false, true} {
		e := newTCPEnv(t, Config{}, func(_ *env, hs *http.Server, _ *func(*recorder)) {
			hs.BaseContext = func(net.Listener) context.Context {
				if byListener {
					return unsent.Bounded(context.Background())
				}
				return context.Background()
			}
		})
		e.openWS()
		upgraded := e.openPolling().dialUpgrade()
		upgraded.send("2probe")
		upgraded.want("3probe")
		upgraded.send("5", "4x")
		upgraded.want("4x")
		for range 2 {
			bound := 0
			e.session().s.carrier.(*wsCarrier).raw.Control(func(fd uintptr) {
				bound, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat)
			})
			if (bound == most) == byListener {
				t.Errorf("bound by the listener: %v, then %d bytes may wait", byListener, bound)
			}
		}
	}
}
