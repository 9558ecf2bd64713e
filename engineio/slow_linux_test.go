package engineio

import (
	"io"
	"net"
	"testing"
	"time"
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
