package presence_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/client"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// benchServer serves presence with members in memory until tb is over.
func benchServer(tb testing.TB) (url string) {
	tb.Helper()
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	rt, err := presence.Init(context.Background(), presence.Options{IO: io, DrainPeriod: -1})
	if err != nil {
		tb.Fatal(err)
	}
	web := httptest.NewServer(io)
	tb.Cleanup(func() {
		_ = rt.Close(context.Background())
		_ = io.Close(context.Background())
		web.Close()
	})
	return web.URL
}

// benchMember is a client that joined a room.
type benchMember struct {
	tb   testing.TB
	conn *client.Conn
	next uint64
	out  []byte
}

func benchJoin(tb testing.TB, url, room, user string) *benchMember {
	tb.Helper()
	c, err := client.Dial(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	m := &benchMember{tb: tb, conn: c}
	m.send("presence:join", fmt.Appendf(nil, `{"roomId":%q,"userId":%q,"state":{"name":"Someone","cursor":{"x":1,"y":2}}}`, room, user))
	m.answered()
	return m
}

func (m *benchMember) send(name string, payload []byte) {
	m.out = client.AppendEvent(m.out[:0], m.next, name, payload)
	m.next++
	if err := m.conn.Write(m.out); err != nil {
		m.tb.Fatal(err)
	}
}

func (m *benchMember) await(kind client.Kind) {
	if _, err := m.conn.Await(kind); err != nil {
		m.tb.Error(err)
	}
}

// answered waits for the ack and the event of a join or a patch, whichever
// comes first.
func (m *benchMember) answered() {
	for ack, event := false, false; !ack || !event; {
		p, err := m.conn.Next()
		if err != nil {
			m.tb.Error(err)
			return
		}
		ack = ack || p.Kind == client.Ack
		event = event || p.Kind == client.Event
	}
}

var beat = []byte(`{"epoch":1}`)

// BenchmarkHeartbeat is a heartbeat without a patch from the client's write to
// its ack, over loopback; the client's side is in it.
func BenchmarkHeartbeat(b *testing.B) {
	m := benchJoin(b, benchServer(b), "room", "user")
	b.ReportAllocs()
	for b.Loop() {
		m.send("presence:heartbeat", beat)
		m.await(client.Ack)
	}
}

// BenchmarkPatch is a patch in a room of 2, both deliveries and the ack
// included, with members in memory.
func BenchmarkPatch(b *testing.B) {
	url := benchServer(b)
	m, other := benchJoin(b, url, "room", "user"), benchJoin(b, url, "room", "other")
	m.await(client.Event) // the other's join
	b.ReportAllocs()
	payload := []byte(nil)
	for i := 0; b.Loop(); i++ {
		payload = fmt.Appendf(payload[:0], `{"epoch":1,"patchState":{"cursor":{"x":%d,"y":200}}}`, i)
		m.send("presence:heartbeat", payload)
		m.answered()
		other.await(client.Event)
	}
}

// BenchmarkFanOut is a patch in a room of 100 with all its deliveries.
func BenchmarkFanOut(b *testing.B) {
	const room = 100
	url := benchServer(b)
	m := benchJoin(b, url, "room", "user")
	got := make(chan struct{}, room)
	for i := range room - 1 {
		other := benchJoin(b, url, "room", fmt.Sprint("other-", i))
		m.await(client.Event)
		go func() {
			for {
				p, err := other.conn.Next()
				if err != nil {
					return
				}
				if p.Kind == client.Event && isUpdate(p.Body) {
					got <- struct{}{}
				}
			}
		}()
	}
	payload := []byte(nil)
	for i := 0; b.Loop(); i++ {
		payload = fmt.Appendf(payload[:0], `{"epoch":1,"patchState":{"cursor":{"x":%d,"y":200}}}`, i)
		m.send("presence:heartbeat", payload)
		m.answered()
		for range room - 1 {
			<-got
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/room, "ns/delivery")
}

// isUpdate tells an update from a join by where its type is.
func isUpdate(body []byte) bool {
	const start = `["presence:event",{"type":"`
	return len(body) > len(start) && body[len(start)] == 'u'
}

// BenchmarkJoinLeave is a join of a warm room and the leave after it.
func BenchmarkJoinLeave(b *testing.B) {
	url := benchServer(b)
	benchJoin(b, url, "room", "stays")
	m := benchJoin(b, url, "room", "user")
	join := []byte(`{"roomId":"room","userId":"user","state":{"name":"Someone"}}`)
	b.ReportAllocs()
	for b.Loop() {
		m.send("presence:leave", []byte("null"))
		m.await(client.Ack)
		m.send("presence:join", join)
		m.await(client.Ack)
	}
}
