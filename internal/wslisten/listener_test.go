package wslisten

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const handshake = "GET /x?transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"

// with returns handshake with more header lines.
func with(lines string) string {
	return strings.TrimSuffix(handshake, "\r\n") + lines + "\r\n"
}

// takeOver is a handler that takes connections over, tells what the request was, and sends back what comes
// behind it. It refuses requests with a header X-Refuse, and panics at X-Panic.
func takeOver(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("X-Panic") != "":
		panic("asked to")
	case r.Header.Get("X-Refuse") != "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	server := r.Context().Value(http.ServerContextKey) != nil
	remote := r.RemoteAddr == conn.RemoteAddr().String()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n%s %s %s %s %v %v %v %v\n", r.Method, r.RequestURI, r.Proto, r.Host,
		r.URL.Query(), local, server, remote)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(conn, "%s=%q\n", name, r.Header[name])
	}
	io.Copy(conn, rw.Reader)
}

func toX(r *http.Request) bool { return r.URL.Path == "/x" }

// site is a server under test.
type site struct {
	web  *http.Server
	l    net.Listener
	addr string
	news atomic.Int32 // how often ConnState was told http.StateNew
}

// serveOn starts a server; early has it look before net/http does.
func serveOn(t testing.TB, early bool, web *http.Server) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if web.ErrorLog == nil {
		web.ErrorLog = log.New(io.Discard, "", 0)
	}
	s := &site{web: web, l: l, addr: l.Addr().String()}
	told := web.ConnState
	web.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.news.Add(1)
		}
		if told != nil {
			told(conn, state)
		}
	}
	if early {
		s.l = Listen(l, web, toX)
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(s.l) }()
	t.Cleanup(func() {
		web.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

func (s *site) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn.(*net.TCPConn)
}

// awaitNew waits until ConnState has heard of so many new connections. One that goes to net/http is new twice.
func (s *site) awaitNew(t *testing.T, connections int32) {
	t.Helper()
	for begin := time.Now(); s.news.Load() < connections; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("%d connections are new, want %d", s.news.Load(), connections)
		}
	}
}

var dates = regexp.MustCompile(`Date: [^\r]*\r\n`)

// ask sends parts of a request, the end of what is sent, and returns all that is answered.
func (s *site) ask(t testing.TB, parts ...string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	for _, p := range parts {
		if _, err := io.WriteString(conn, p); err != nil {
			break // answered and closed
		}
	}
	conn.CloseWrite()
	answer, _ := io.ReadAll(conn) // a reset ends it too
	return dates.ReplaceAllString(string(answer), "")
}

// calls counts the calls of a handler by who makes them.
type calls struct {
	mu          sync.Mutex
	here, there int
}

func (c *calls) count(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		if _, ours := w.(*response); ours {
			c.here++
		} else {
			c.there++
		}
		c.mu.Unlock()
		next(w, r)
	}
}

func TestWhoServes(t *testing.T) {
	for name, c := range map[string]struct {
		request     string
		here, there int
	}{
		"a handshake":                   {handshake, 1, 0},
		"with what comes behind":        {handshake + "and more", 1, 0},
		"refused":                       {with("X-Refuse: 1\r\n"), 1, 1},
		"of another path":               {strings.Replace(handshake, "/x", "/y", 1), 0, 1},
		"no handshake":                  {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 0, 1},
		"a body":                        {with("Content-Length: 1\r\n") + "a", 0, 1},
		"expects to be asked":           {with("Expect: 100-continue\r\n"), 0, 1},
		"old":                           {strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), 0, 1},
		"not ASCII":                     {with("X-A: \xc3\xa4\r\n"), 0, 1},
		"two hosts":                     {with("Host: other\r\n"), 0, 0},
		"a strange host":                {strings.Replace(handshake, "localhost", "a!b", 1), 0, 1},
		"longer than what is looked at": {with("X-A: " + strings.Repeat("a", maxRequest) + "\r\n"), 0, 1},
		"no request":                    {"\x16\x03\x01", 0, 0},
		"nothing":                       {"", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got calls
			s := serveOn(t, true, &http.Server{Handler: got.count(takeOver)})
			s.ask(t, c.request)
			got.mu.Lock()
			defer got.mu.Unlock()
			if got.here != c.here || got.there != c.there {
				t.Errorf("served here %d times and by net/http %d times, want %d and %d", got.here, got.there, c.here, c.there)
			}
		})
	}
}

// A request of which only a part has come is left to net/http, which waits for the rest.
func TestARequestInParts(t *testing.T) {
	var calls calls
	s := serveOn(t, true, &http.Server{Handler: calls.count(takeOver)})
	conn := s.dial(t)
	io.WriteString(conn, handshake[:20])
	s.awaitNew(t, 2)
	io.WriteString(conn, handshake[20:]+"behind")
	conn.CloseWrite()
	if got, _ := io.ReadAll(conn); !bytes.Contains(got, []byte(" 101 ")) || !bytes.HasSuffix(got, []byte("behind")) {
		t.Errorf("got %q", got)
	}
	calls.mu.Lock()
	defer calls.mu.Unlock()
	if calls.here != 0 || calls.there != 1 {
		t.Errorf("served here %d times and by net/http %d times", calls.here, calls.there)
	}
}

// Each request has the same answer as from net/http alone.
func FuzzSameAsNetHTTP(f *testing.F) {
	for _, request := range []string{
		handshake,
		handshake + "behind",
		with("X-Refuse: 1\r\n"),
		with("Host: other\r\n"),
		with("Content-Length: 3\r\n") + "abc",
		with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		with("Cookie: a=b\r\nX: 1\r\nx: 2\r\n"),
		with(" folded\r\n"),
		with("X-A : 1\r\n"),
		with("X-A: a\x00b\r\n"),
		with(": 1\r\n"),
		with("Trailer: a\r\nExpect: 100-continue\r\n"),
		strings.Replace(handshake, "GET /x", "GET http://other/x", 1),
		strings.Replace(handshake, "GET /x", "POST /x", 1),
		strings.Replace(handshake, "\r\n", "\n", 1),
		strings.Replace(handshake, "localhost", "", 1),
		strings.Replace(handshake, "?", "?%zz&", 1),
		"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x00",
	} {
		f.Add([]byte(request))
	}
	server := func(early bool) *site {
		return serveOn(f, early, &http.Server{Handler: http.HandlerFunc(takeOver), MaxHeaderBytes: 16 << 10})
	}
	early, usual := server(true), server(false)
	f.Fuzz(func(t *testing.T, request []byte) {
		if bytes.Contains(bytes.ToLower(request), []byte("x-panic")) {
			return // which closes the connection; how much of an answer is lost by that is chance
		}
		got, want := early.ask(t, string(request)), usual.ask(t, string(request))
		if got != want {
			t.Errorf("answered %q, net/http alone %q", got, want)
		}
	})
}

// The hooks of the server are called as net/http calls them.
func TestHooks(t *testing.T) {
	type key struct{}
	hooked := func(early bool) []string {
		var mu sync.Mutex
		var got []string
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, what)
		}
		s := serveOn(t, early, &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				note(fmt.Sprint("serve ", r.Context().Value(key{})))
				takeOver(w, r)
			}),
			BaseContext: func(net.Listener) context.Context { return context.WithValue(context.Background(), key{}, "base") },
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, key{}, fmt.Sprint(ctx.Value(key{}), "+conn"))
			},
			ConnState: func(_ net.Conn, s http.ConnState) { note(s.String()) },
		})
		s.ask(t, handshake)
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
	got, want := hooked(true), hooked(false)
	if !slices.Equal(got, want) {
		t.Errorf("called %v, by net/http alone %v", got, want)
	}
}

// Who sends nothing is cut off after ReadHeaderTimeout, and by Close. Who sends the handshake late, but within
// that time, is served by net/http.
func TestSilence(t *testing.T) {
	var got calls
	web := &http.Server{Handler: got.count(takeOver), ReadHeaderTimeout: time.Second}
	s := serveOn(t, true, web)
	if n, err := s.dial(t).Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes and %v after the timeout", n, err)
	}
	late := s.dial(t)
	s.awaitNew(t, 4)
	io.WriteString(late, handshake)
	late.CloseWrite()
	answer, err := io.ReadAll(late)
	got.mu.Lock()
	if got.here != 0 || got.there != 1 || !bytes.Contains(answer, []byte(" 101 ")) {
		t.Errorf("late: served here %d times and by net/http %d times: %q, %v", got.here, got.there, answer, err)
	}
	got.mu.Unlock()
	s = serveOn(t, true, &http.Server{Handler: http.HandlerFunc(takeOver)})
	silent := s.dial(t)
	s.awaitNew(t, 1)
	s.web.Close()
	if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes and %v after Close", n, err)
	}
	if err := s.l.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// A handler that panics costs its own connection only, and is logged in the words of net/http.
func TestPanic(t *testing.T) {
	var logged bytes.Buffer
	var mu sync.Mutex
	out := log.New(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return logged.Write(p)
	}), "", 0)
	s := serveOn(t, true, &http.Server{Handler: http.HandlerFunc(takeOver), ErrorLog: out})
	if got := s.ask(t, with("X-Panic: 1\r\n")); got != "" {
		t.Errorf("answered %q", got)
	}
	mu.Lock()
	line := logged.String()
	mu.Unlock()
	if !strings.HasPrefix(line, "http: panic serving 127.0.0.1:") || !strings.Contains(line, "takeOver") {
		t.Errorf("logged %q", line)
	}
	if got := s.ask(t, handshake); !strings.Contains(got, " 101 ") {
		t.Errorf("answered %q after it", got)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
