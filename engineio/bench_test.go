package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// silent is a handler that does nothing.
type silent struct{}

func (silent) HandleMessage([]byte, bool) {}
func (silent) HandleClose(Reason)         {}

// echoer echoes.
type echoer struct{ s *Session }

func (h echoer) HandleMessage(data []byte, binary bool) { h.s.Send(NewFrame(data, binary)) }
func (h echoer) HandleClose(Reason)                     {}

func benchServer(b *testing.B, accept func(*Session) Handler) (srv *Server, addr string) {
	srv, err := NewServer(Config{}, accept)
	if err != nil {
		b.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	b.Cleanup(func() {
		srv.Close(b.Context())
		hs.Close()
	})
	return srv, hs.Listener.Addr().String()
}

func rawDial(addr string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(conn, "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", addr, key)
	br := bufio.NewReaderSize(conn, 4096)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return nil, nil, err
		}
		if line == "\r\n" {
			break
		}
	}
	h, err := ws.ReadHeader(br)
	if err == nil {
		_, err = br.Discard(int(h.Length))
	}
	return conn, br, err
}

// BenchmarkEcho is one message there and back over loopback, the client's side included.
func BenchmarkEcho(b *testing.B) {
	_, addr := benchServer(b, func(s *Session) Handler { return echoer{s} })
	conn, br, err := rawDial(addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`42["presence:heartbeat",{"epoch":1}]`))))
	answer := make([]byte, len(frame)-4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(br, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBroadcast sends one shared frame to 100 sessions; an operation is one such broadcast,
// delivered to all of them.
func BenchmarkBroadcast(b *testing.B) {
	const n = 100
	sessions := make(chan *Session, n)
	_, addr := benchServer(b, func(s *Session) Handler { sessions <- s; return silent{} })
	var all []*Session
	var readers sync.WaitGroup
	payload := []byte(strings.Repeat("x", 200))
	size := int64(len(NewFrame(payload, false).wire))
	var conns []net.Conn
	for range n {
		conn, br, err := rawDial(addr)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
		all = append(all, <-sessions)
		readers.Go(func() { io.CopyN(io.Discard, br, size*int64(b.N)) })
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		f := NewFrame(payload, false)
		for _, s := range all {
			for s.Send(f) != nil {
				b.Fatal("session closed")
			}
		}
	}
	readers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
	for _, c := range conns {
		c.Close()
	}
}
