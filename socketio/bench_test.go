package socketio

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkAckedEvent is the way of an event from the session to its ack in the
// session's queue and out to the connection, which nobody reads slowly.
func BenchmarkAckedEvent(b *testing.B) {
	for _, inline := range []bool{true, false} {
		b.Run(fmt.Sprintf("inline=%v", inline), func(b *testing.B) {
			e := newTCPEnv(b, Config{})
			reply := []byte(`{"ok":true,"changed":false,"epoch":1}`)
			e.root.handle("beat", func(_ context.Context, _ *Socket, m *Message) error {
				return m.Ack().SendRaw(reply)
			}, inline)
			c := e.join("/")
			b.ReportAllocs()
			for b.Loop() {
				c.send(`4212["beat",{"roomId":"r1","epoch":1}]`)
				<-c.in
			}
		})
	}
}

// BenchmarkHandleMessage leaves out the network.
func BenchmarkHandleMessage(b *testing.B) {
	e := newTCPEnv(b, Config{})
	e.root.OnInline("beat", func(_ context.Context, _ *Socket, m *Message) error {
		_ = m.Arg(0)
		return nil
	})
	c := e.join("/")
	conn := e.socket(c).conn
	packet := []byte(`212["beat",{"roomId":"r1","epoch":1}]`)
	b.ReportAllocs()
	for b.Loop() {
		conn.HandleMessage(packet, false)
	}
}

// BenchmarkBroadcast is one broadcast to a room of 100, its delivery included.
func BenchmarkBroadcast(b *testing.B) {
	const room = 100
	e := newTCPEnv(b, Config{})
	clients := make([]*client, room)
	for i := range clients {
		clients[i] = e.join("/")
		e.socket(clients[i]).Join("room")
	}
	to := e.root.To("room").Local()
	b.ReportAllocs()
	for b.Loop() {
		if err := to.EmitRaw(context.Background(), "presence:event", []byte(`{"type":"update","state":{"x":1}}`)); err != nil {
			b.Fatal(err)
		}
		for _, c := range clients {
			<-c.in
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/room, "ns/delivery")
}

// BenchmarkDeliver leaves out the network.
func BenchmarkDeliver(b *testing.B) {
	server, err := NewServer(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close(context.Background())
	n := server.Of("/")
	for range 100 {
		s := newSocket(nil, n, nil)
		n.list(s)
		s.Join("room")
		defer n.drop(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		list := audiences.Get().(*[]*Socket)
		*list = n.collect((*list)[:0], audience{narrowed: true, rooms: []string{"room"}, except: []string{"somebody"}})
		audiences.Put(list)
	}
}
