package engineio

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// silent is a handler that does nothing.
type silent struct{}

func (silent) HandleMessage([]byte, bool) {}
func (silent) HandleClose(CloseReason)    {}

// echoer echoes.
type echoer struct{ s *Session }

func (h echoer) HandleMessage(data []byte, binary bool) { h.s.Send(NewFrame(data, binary)) }
func (h echoer) HandleClose(CloseReason)                {}

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

// clientEnv makes the test binary a client process: "<address> <connections>".
const clientEnv = "ENGINEIO_BENCH_CLIENT"

// runClient opens idle connections, says so, and holds them until stdin ends.
func runClient(spec string) error {
	addr, count, _ := strings.Cut(spec, " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for range n {
		conn, _, err := rawDial(addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		// One message each, so that the server has read from every connection.
		if _, err := conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("4hello"))))); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// BenchmarkIdleConnections reports the resident memory of a server process per idle WebSocket; the
// clients are another process. Linux only. Run it with -benchtime=1x.
func BenchmarkIdleConnections(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc")
	}
	const n = 5000
	_, addr := benchServer(b, func(*Session) Handler { return silent{} })
	runtime.GC()
	before := resident(b)
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", clientEnv, addr, n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil || !bytes.Equal(ready, []byte("ready\n")) {
		b.Fatalf("client: %q %v", ready, err)
	}
	for range 3 { // as a process that lives longer would
		runtime.GC()
		time.Sleep(2 * time.Second)
	}
	used := resident(b) - before
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(used)/1024/n, "KiB/conn")
	b.ReportMetric(float64(m.HeapInuse)/1024/n, "heap-KiB/conn")
	b.ReportMetric(float64(m.StackInuse)/1024/n, "stack-KiB/conn")
	in.Close()
	cmd.Wait()
}

func resident(b *testing.B) int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
