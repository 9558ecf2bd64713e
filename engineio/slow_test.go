package engineio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A ping does not stand behind what a slow client has not read yet: its answer would come too late.
func TestPingOvertakesABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{PingInterval: time.Second, PingTimeout: time.Minute})
		c := e.openWS()
		s := e.session().s
		const messages, size = 100, 10_000
		for range messages {
			s.Send(text(size, "x"))
		}
		s.Send(text(5, "h"), NewFrame([]byte("tail"), true))
		time.Sleep(time.Second)
		synctest.Wait()
		before := -1
		for i := range messages + 1 {
			_, data := c.recv()
			if string(data) == "2" {
				before = i
				continue
			}
			if len(data) != size+1 {
				t.Fatalf("frame %d has %d bytes", i, len(data))
			}
		}
		if before < 0 || before*size > writeSize {
			t.Errorf("the ping came behind %d messages", before)
		}
		c.want("4hhhhh")
		c.recv()
		synctest.Wait()
		if s.Queued() != 0 {
			t.Errorf("%d bytes are counted as waiting", s.Queued())
		}
	})
}

// It does not get between the pieces of one frame, nor in front of a handshake.
func TestPingBetweenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{PingInterval: time.Second, PingTimeout: time.Minute})
		c := e.openWS()
		s := e.session().s
		body := e.srv.NewBody(3 << 20)
		body.Set([]byte(strings.Repeat("x", 3<<20)))
		s.Send(NewSharedFrame([]byte("<"), body, []byte(">")))
		body.Release()
		s.Send(text(5, "b"))
		time.Sleep(time.Second)
		synctest.Wait()
		c.want("4<" + strings.Repeat("x", 3<<20) + ">")
		c.want("2")
		c.want("4bbbbb")
	})
}
