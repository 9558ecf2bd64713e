//go:build linux

package engineio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/procstat"
)

// clientEnv makes the test binary a client process: the server's address, how many connections to
// open, and how many messages to echo on each.
const clientEnv = "ENGINEIO_BENCH_CLIENT"

// runClient opens the connections, echoes, says so, and holds them until stdin ends.
func runClient(spec string) error {
	var addr string
	var conns, messages int
	if _, err := fmt.Sscan(spec, &addr, &conns, &messages); err != nil {
		return err
	}
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`42["presence:heartbeat",{"epoch":1}]`))))
	var wg sync.WaitGroup
	errs := make([]error, conns)
	for i := range conns {
		conn, br, err := rawDial(addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if messages == 1 { // one after the other is enough
			if err := echo(conn, br, frame, 1); err != nil {
				return err
			}
			continue
		}
		wg.Go(func() { errs[i] = echo(conn, br, frame, messages) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("done")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func echo(conn net.Conn, br *bufio.Reader, frame []byte, n int) error {
	answer := make([]byte, len(frame)-4)
	for range n {
		if _, err := conn.Write(frame); err != nil {
			return err
		}
		if _, err := io.ReadFull(br, answer); err != nil {
			return err
		}
	}
	return nil
}

// withClient runs a client process, and f when it is done but still connected.
func withClient(b *testing.B, addr string, conns, messages int, f func()) {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", clientEnv, addr, conns, messages))
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
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatalf("client said %q: %v", line, err)
	}
	f()
	in.Close()
	cmd.Wait()
}

// BenchmarkIdleConnections reports the resident memory of a server process per idle WebSocket, each
// after one message. Run it with -benchtime=1x.
func BenchmarkIdleConnections(b *testing.B) {
	const n = 5000
	_, addr := benchServer(b, func(s *Session) Handler { return echoer{s} })
	runtime.GC()
	before := usage(b).Resident
	withClient(b, addr, n, 1, func() {
		for range 3 { // as a process that lives longer would
			runtime.GC()
			time.Sleep(2 * time.Second)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(usage(b).Resident-before)/1024/n, "KiB/conn")
		b.ReportMetric(float64(m.HeapInuse)/1024/n, "heap-KiB/conn")
		b.ReportMetric(float64(m.StackInuse)/1024/n, "stack-KiB/conn")
	})
}

func usage(b *testing.B) procstat.Usage {
	u, err := procstat.Read(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	return u
}

// BenchmarkEchoCPU reports the CPU time of the server process alone per message that is echoed,
// over 50 connections. Run it with -benchtime=1x.
func BenchmarkEchoCPU(b *testing.B) {
	const conns, messages = 50, 4000
	_, addr := benchServer(b, func(s *Session) Handler { return echoer{s} })
	before := usage(b).CPU
	withClient(b, addr, conns, messages, func() {
		b.ReportMetric(float64(usage(b).CPU-before)/(conns*messages), "cpu-ns/msg")
	})
}

// BenchmarkConnectCPU reports the CPU time of the server process alone per connection opened, with
// one message. Run it with -benchtime=1x.
func BenchmarkConnectCPU(b *testing.B) {
	const conns = 5000
	_, addr := benchServer(b, func(s *Session) Handler { return echoer{s} })
	before := usage(b).CPU
	withClient(b, addr, conns, 1, func() {
		b.ReportMetric(float64(usage(b).CPU-before)/conns, "cpu-ns/conn")
	})
}
