package connlimit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

type env struct {
	t      *testing.T
	limit  *Limit
	server *http.Server
	addr   string
	warned atomic.Int32
	states chan http.ConnState
}

// faulty fails to accept for as long as it is told to.
type faulty struct {
	net.Listener
	failures atomic.Int32
}

func (f *faulty) Accept() (net.Conn, error) {
	if f.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return f.Listener.Accept()
}

func serve(t *testing.T, max int) (*env, *faulty) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := &faulty{Listener: inner}
	e := &env{t: t, addr: inner.Addr().String(), states: make(chan http.ConnState, 1000)}
	e.limit = New(max, func() { e.warned.Add(1) })
	e.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hijack" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
			return
		}
		if Refused(r) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	e.limit.Serve(e.server)
	hook := e.server.ConnState
	e.server.ConnState = func(c net.Conn, s http.ConnState) {
		hook(c, s)
		e.states <- s
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.server.Serve(e.limit.Listen(broken))
	}()
	t.Cleanup(func() {
		_ = e.server.Close()
		<-done
		e.limit.Close()
	})
	return e, broken
}

// await waits for a connection to reach a state.
func (e *env) await(want http.ConnState) {
	for s := range e.states {
		if s == want {
			return
		}
	}
}

func (e *env) dial() net.Conn {
	e.t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // a wait for an end that does not come fails
	return c
}

func (e *env) ask(c net.Conn, path string) int {
	e.t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return res.StatusCode
}

func wantEnd(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) { // a reset is an end, too
		t.Fatal(err)
	}
}

// Connections beyond the limit are told so, hijacked ones count, and one that ends makes room.
func TestLimit(t *testing.T) {
	e, _ := serve(t, 2)
	a, b := e.dial(), e.dial()
	if e.ask(a, "/hijack") != 101 || e.ask(b, "/hijack") != 101 {
		t.Fatal("not taken")
	}
	for range 3 {
		c := e.dial()
		if got := e.ask(c, "/"); got != 503 {
			t.Errorf("beyond the limit: %d", got)
		}
		wantEnd(t, c)
	}
	if n := e.warned.Load(); n != 3 {
		t.Errorf("warned %d times, want once for each", n)
	}
	_ = a.Close()
	for {
		c := e.dial()
		if e.ask(c, "/") == 200 {
			break
		}
	}
}

// One that is only kept for another request is closed for one that has a request now.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	e, _ := serve(t, 2)
	a, b := e.dial(), e.dial()
	for _, c := range []net.Conn{a, b, a} { // b is idle for longest
		if got := e.ask(c, "/"); got != 200 {
			t.Fatal(got)
		}
		e.await(http.StateIdle)
	}
	if got := e.ask(e.dial(), "/"); got != 200 {
		t.Errorf("refused with %d, though two are idle", got)
	}
	wantEnd(t, b)
	if got := e.ask(a, "/"); got != 200 {
		t.Errorf("the other one: %d", got)
	}
}

// Many that are to be refused and send nothing do not keep the next from being answered.
func TestSilentConnectionsBeyondTheLimit(t *testing.T) {
	e, _ := serve(t, 1)
	e.limit.maxOver = 20
	if e.ask(e.dial(), "/hijack") != 101 {
		t.Fatal("not taken")
	}
	for range 3 * e.limit.maxOver {
		e.dial()
	}
	if got := e.ask(e.dial(), "/"); got != 503 {
		t.Error(got)
	}
	e.limit.mu.Lock()
	defer e.limit.mu.Unlock()
	if n := len(e.limit.over); n > e.limit.maxOver {
		t.Errorf("%d beyond the limit", n)
	}
}

// Without a descriptor left, some of those kept for it are used.
func TestNoDescriptorLeft(t *testing.T) {
	e, broken := serve(t, 0)
	held := e.dial()
	if e.ask(held, "/hijack") != 101 {
		t.Fatal("not taken")
	}
	broken.failures.Store(2) // one call of Accept waits already
	if got := e.ask(e.dial(), "/"); got != 200 {
		t.Error(got)
	}
	c := e.dial()
	if got := e.ask(c, "/"); got != 503 {
		t.Errorf("with a spare descriptor: %d", got)
	}
	wantEnd(t, c)
	e.await(http.StateClosed)
	for {
		c := e.dial()
		if e.ask(c, "/") == 200 {
			break
		}
	}
	e.limit.mu.Lock()
	defer e.limit.mu.Unlock()
	if len(e.limit.spare) != spares || e.limit.short {
		t.Errorf("%d spare descriptors", len(e.limit.spare))
	}
}

// A connection on which nothing has come does not hold up the end of the server.
func TestShutdownClosesFreshConnections(t *testing.T) {
	e, _ := serve(t, 0)
	c := e.dial()
	e.await(http.StateNew)
	done := make(chan error)
	go func() { done <- e.server.Shutdown(t.Context()) }()
	wantEnd(t, c)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if e.limit.open != 0 {
		t.Errorf("%d open", e.limit.open)
	}
}

func TestDefault(t *testing.T) {
	for files, want := range map[int]int{0: 0, 8: 1, 64: 48, 256: 224, 1024: 896, 4096: 3968, 1 << 20: 1<<20 - 128} {
		if got := defaultOf(files); got != want {
			t.Errorf("%d files: %d, want %d", files, got, want)
		}
	}
	for _, test := range [][3]int{{0, 0, 256}, {1024, 896, 64}, {64, 48, 8}, {1 << 20, 100, 256}, {64, 64, 8}} {
		if got := maxOverFor(test[0], test[1]); got != test[2] {
			t.Errorf("%d files, limit %d: %d, want %d", test[0], test[1], got, test[2])
		}
	}
	if Default() > Most() {
		t.Errorf("the default %d is above %d", Default(), Most())
	}
}
