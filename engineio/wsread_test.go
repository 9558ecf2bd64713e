//go:build unix

package engineio

import (
	"testing"
	"time"
)

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
