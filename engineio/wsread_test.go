//go:build unix

package engineio

import (
	"bytes"
	"net"
	"runtime"
	"testing"
	"time"
)

// goroutine returns the number of the calling goroutine.
func goroutine() string {
	var b [64]byte
	return string(bytes.Fields(b[:runtime.Stack(b[:], false)])[1])
}

// A reading goroutine that is about to wait is replaced: a few times at first, then rarely.
func TestReaderIsReplaced(t *testing.T) {
	e := newTCPEnv(t, Config{}, onMessage(func(s *Session, _ []byte, _ bool) {
		s.Send(NewFrame([]byte(goroutine()), false))
	}))
	c := e.openWS()
	start := time.Now()
	readers := map[string]bool{}
	// The server need not have begun to wait when the next message comes, so some may find the same.
	for range 500 {
		c.send("4who")
		_, data := c.recv()
		readers[string(data)] = true
	}
	most := 1 + handOverBurst + 1 + int(time.Since(start)/handOverPause)
	if n := len(readers); n < 1+handOverBurst || n > most {
		t.Errorf("%d goroutines, want from %d to %d", n, 1+handOverBurst, most)
	}
}

// countedConn is what a listener makes that counts its connections.
type countedConn struct{ *net.TCPConn }

func (c countedConn) UnwrapTCP() *net.TCPConn { return c.TCPConn }

// A wrapper that leaves reading and writing to its TCP connection is read without a buffer, too.
func TestRawConnOfWrapper(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, test := range []struct {
		conn net.Conn
		want bool
	}{
		{conn, true},
		{countedConn{conn.(*net.TCPConn)}, true},
		{struct{ *net.TCPConn }{conn.(*net.TCPConn)}, false},
	} {
		if got := rawConn(test.conn) != nil; got != test.want {
			t.Errorf("%T: %v", test.conn, got)
		}
	}
}
