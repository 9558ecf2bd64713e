//go:build !race

package engineio

import (
	"io"
	"testing"

	"github.com/gobwas/ws"
)

// A message that comes in and its answer that goes out cost one allocation: the answer's frame.
func TestAllocsPerEcho(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("4hello"))))
	answer := make([]byte, len(frame)-4)
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := c.conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.br, answer); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations, want 1", allocs)
	}
}

// A shared frame is sent and flushed without any.
func TestAllocsPerSend(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	s := e.session().s
	frame := NewFrame(make([]byte, 500), false)
	answer := make([]byte, len(frame.wire))
	allocs := testing.AllocsPerRun(1000, func() {
		if err := s.Send(frame); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.br, answer); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}
