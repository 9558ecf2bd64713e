//go:build unix

package tcpproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// echo serves lines back on a free port.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// line is a connection that says lines and hears them.
type line struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dialProxy(t *testing.T, p *Proxy) line {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return line{t, c, bufio.NewReader(c)}
}

func (l line) say(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		l.t.Fatal(err)
	}
}

// hear waits for a line for up to d; "" is none.
func (l line) hear(d time.Duration) string {
	l.t.Helper()
	_ = l.SetReadDeadline(time.Now().Add(d))
	text, err := l.in.ReadString('\n')
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Fatal(err)
	}
	return text
}

const long = 20 * time.Second

func testProxy(t *testing.T) *Proxy {
	t.Helper()
	addr := echo(t)
	p, err := Start(Config{Target: func() string { return addr }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestProxySwallows(t *testing.T) {
	p := testProxy(t)
	l := dialProxy(t, p)
	l.say("one")
	if got := l.hear(long); got != "one\n" {
		t.Fatalf("heard %q", got)
	}
	if n := p.Swallow(1, 1); n != 1 {
		t.Fatalf("%d connections swallow", n)
	}
	l.say("two")
	fresh := dialProxy(t, p)
	fresh.say("three")
	if got := l.hear(50*time.Millisecond) + fresh.hear(50*time.Millisecond); got != "" {
		t.Errorf("heard %q through a hole", got)
	}
	p.Heal()
	if got := l.hear(long) + fresh.hear(long); got != "two\nthree\n" {
		t.Errorf("heard %q after the healing", got)
	}
}

func TestProxyCuts(t *testing.T) {
	p := testProxy(t)
	l := dialProxy(t, p)
	l.say("one")
	l.hear(long)
	p.Swallow(1, 1) // a cut works through a hole
	p.CutAll()
	_ = l.SetReadDeadline(time.Now().Add(long))
	if _, err := l.in.ReadString('\n'); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading: %v", err)
	}
}

func TestProxyDelays(t *testing.T) {
	p := testProxy(t)
	l := dialProxy(t, p)
	const delay = 30 * time.Millisecond
	p.Delay(delay)
	start := time.Now()
	l.say("one")
	if got := l.hear(long); got != "one\n" || time.Since(start) < 2*delay {
		t.Errorf("heard %q after %v", got, time.Since(start))
	}
}

func TestProxyRefuses(t *testing.T) {
	p, err := Start(Config{Target: func() string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return // the reset was faster
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(long))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading: %v", err)
	}
}
