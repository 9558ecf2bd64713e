package socketio

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestStorm lets everything happen at once: joins, leaves, broadcasts, acks,
// and ends of every kind. Each socket that connected must disconnect, once, in
// no room.
func TestStorm(t *testing.T) {
	e := newTCPEnv(t, Config{InboundQueue: 4})
	n := e.io.Of("/storm")
	if err := e.io.SetAdapter(new(adapterLog)); err != nil {
		t.Fatal(err)
	}
	var connected, disconnected atomic.Int64
	ended := NewKey[bool]()
	n.OnConnect(func(_ context.Context, s *Socket) { connected.Add(1); s.Join("all") })
	n.OnDisconnect(func(s *Socket, _ Reason) {
		disconnected.Add(1)
		if again, _ := ended.Get(s); again {
			t.Error("disconnected twice")
		}
		ended.Set(s, true)
		if len(s.Rooms()) > 0 {
			t.Errorf("disconnected in rooms %v", s.Rooms())
		}
	})
	n.On("work", func(ctx context.Context, s *Socket, m *Message) error {
		s.Join(string(m.Arg(0)))
		_ = s.To("all").EmitRaw(ctx, "news", m.Arg(0))
		s.Leave(string(m.Arg(1)))
		return m.Ack().SendRaw(m.Arg(0))
	})
	n.OnInline("end", func(_ context.Context, s *Socket, m *Message) error {
		switch string(m.Arg(0)) {
		case "0":
			s.Disconnect()
		case "1":
			s.CloseTransport("end")
		}
		return nil
	})
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			c := e.open()
			c.send(`40/storm,`)
			c.recv()
			for j := range 20 {
				c.send(fmt.Sprintf(`42/storm,%d["work",%d,%d]`, j, j%5, (j+2)%5))
			}
			if i%5 == 4 {
				c.conn.Close()
				return
			}
			c.send(fmt.Sprintf(`42/storm,["end",%d]`, i%5))
			for j := 0; i%5 >= 2 && j < 20; {
				if got := c.recv(); got == fmt.Sprintf("43/storm,%d[%d]", j, j%5) {
					j++
				}
			}
		})
	}
	clients.Wait()
	e.close()
	if c, d := connected.Load(), disconnected.Load(); c != 40 || d != c {
		t.Errorf("%d connected, %d disconnected", c, d)
	}
	if n.Len() > 0 || len(n.rooms) > 0 {
		t.Errorf("%d sockets and %d rooms left", n.Len(), len(n.rooms))
	}
}
