//go:build unix

package rawio

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair is the two ends of a TCP connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = client.(*net.TCPConn), server.(*net.TCPConn)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestTry(t *testing.T) {
	a, b := pair(t)
	raw := Of(a)
	var w Writer
	piece := make([]byte, 64<<10)
	sent := 0
	for {
		n, err := w.Try(raw, piece)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n == 0 {
			break // it is full, and nothing waited
		}
	}
	if sent == 0 {
		t.Fatal("nothing was taken")
	}
	if _, err := io.ReadFull(b, make([]byte, sent)); err != nil {
		t.Error(err)
	}
	allocs := testing.AllocsPerRun(10, func() {
		if n, err := w.Try(raw, piece[:1]); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per write", allocs)
	}
	_ = b.SetLinger(0)
	_ = b.Close()
	for {
		if _, err := w.Try(raw, piece[:1]); err != nil {
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("after the end: %v", err)
			}
			break
		}
	}
	_ = a.Close()
	if _, err := w.Try(raw, piece); err == nil {
		t.Error("a closed connection takes bytes")
	}
}

func TestRead(t *testing.T) {
	a, b := pair(t)
	raw := Of(a)
	var r Reader
	buf := make([]byte, 10)
	if _, err := b.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(raw, buf); string(buf[:n]) != "hello" || err != nil {
		t.Errorf("%q, %v", buf[:n], err)
	}
	late := make(chan error)
	go func() {
		n, err := r.Read(raw, buf)
		if string(buf[:n]) != "later" {
			err = errors.Join(err, errors.New("not what was written"))
		}
		late <- err
	}()
	if _, err := b.Write([]byte("later")); err != nil {
		t.Fatal(err)
	}
	if err := <-late; err != nil {
		t.Error(err)
	}
	if err := a.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(raw, buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind the deadline: %v", err)
	}
	if err := a.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	if n, err := r.Read(raw, buf); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// counted might count what is read, as a program's own connection does.
type counted struct{ *net.TCPConn }

// plain and plainTCP say that they change nothing.
type (
	plain    struct{ net.Conn }
	plainTCP struct{ *net.TCPConn }
)

func (p plain) UnwrapConn() net.Conn       { return p.Conn }
func (p plainTCP) UnwrapTCP() *net.TCPConn { return p.TCPConn }

func TestOf(t *testing.T) {
	a, _ := pair(t)
	for name, test := range map[string]struct {
		conn net.Conn
		want bool
	}{
		"TCP":                       {a, true},
		"one that embeds TCP":       {counted{a}, false},
		"one that changes nothing":  {plain{a}, true},
		"TCP that is unchanged":     {plainTCP{a}, true},
		"TLS":                       {tls.Client(a, nil), false},
		"one around TLS, unchanged": {plain{tls.Client(a, nil)}, false},
	} {
		if got := Of(test.conn) != nil; got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
