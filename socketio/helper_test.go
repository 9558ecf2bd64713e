package socketio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
)

// env is a server under test and the way to it.
type env struct {
	tb   testing.TB
	io   *Server
	root *Namespace
	dial func(ctx context.Context) (net.Conn, error)
	real bool          // time and network are
	logs *bytes.Buffer // written by the server until it has closed

	closeErr error // what the server's Close returns, where a test made it fail

	level *slog.LevelVar
}

// debug makes the server log debug lines too.
func (e *env) debug() { e.level.Set(slog.LevelDebug) }

// bubble runs a test in fake time against a server, which it closes in the end.
func bubble(t *testing.T, cfg Config, f func(t *testing.T, e *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		f(t, newEnv(t, cfg, l, func(ctx context.Context) (net.Conn, error) {
			return l.Dial(ctx, "", "")
		}))
	})
}

// newTCPEnv serves on a loopback socket, in real time.
func newTCPEnv(tb testing.TB, cfg Config) *env {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	e := newEnv(tb, cfg, l, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
	e.real = true
	return e
}

// settle waits until nothing moves any more, where that can be known.
func (e *env) settle() {
	if !e.real {
		synctest.Wait()
	}
}

func newEnv(tb testing.TB, cfg Config, l net.Listener, dial func(context.Context) (net.Conn, error)) *env {
	e := &env{tb: tb, dial: dial, logs: new(bytes.Buffer), level: new(slog.LevelVar)}
	cfg.Engine.Logger = slog.New(slog.NewTextHandler(e.logs, &slog.HandlerOptions{Level: e.level}))
	var err error
	if e.io, err = NewServer(cfg); err != nil {
		tb.Fatal(err)
	}
	e.root = e.io.Of("/")
	hs := &http.Server{Handler: e.io}
	var serving sync.WaitGroup
	serving.Go(func() { hs.Serve(l) })
	tb.Cleanup(func() {
		e.close()
		hs.Close()
		serving.Wait()
		if n := e.root.Len(); n != 0 {
			tb.Errorf("%d sockets left after Close", n)
		}
		if len(e.root.rooms) != 0 {
			tb.Errorf("rooms left after Close: %v", e.root.rooms)
		}
	})
	return e
}

func (e *env) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.io.Close(ctx); !errors.Is(err, e.closeErr) {
		e.tb.Errorf("Close: %v", err)
	}
}

// client is a Socket.IO client made of raw WebSocket frames.
type client struct {
	tb  testing.TB
	sid string // of the socket last joined

	writing sync.Mutex
	conn    net.Conn
	in      chan string // messages; text as it came, attachments behind "b:"
	ended   chan error  // why reading ended: nil after a close frame
	closing ws.StatusCode
	silent  atomic.Bool // pings are not answered
}

// open opens a connection that has joined nothing.
func (e *env) open() *client {
	e.tb.Helper()
	conn, err := e.dial(e.tb.Context())
	if err != nil {
		e.tb.Fatal(err)
	}
	c := &client{tb: e.tb, conn: conn, in: make(chan string, 10_000), ended: make(chan error, 1)}
	_, err = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket&q=1 HTTP/1.1\r\nHost: test\r\nX-Test: yes\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		e.tb.Fatal(err)
	}
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		e.tb.Fatalf("handshake: %v %v", res, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { c.ended <- c.read(br) })
	e.tb.Cleanup(func() {
		c.conn.Close()
		reading.Wait()
	})
	if got := c.recv(); !strings.HasPrefix(got, `0{"sid":`) {
		e.tb.Fatalf("first packet is %q", got)
	}
	return c
}

// join opens a connection and joins a namespace.
func (e *env) join(namespace string) *client {
	e.tb.Helper()
	c := e.open()
	c.join(namespace)
	return c
}

func header(t string, namespace string) string {
	if namespace == "/" {
		return t
	}
	return t + namespace + ","
}

func (c *client) join(namespace string) {
	c.tb.Helper()
	c.send(header("40", namespace))
	var hello struct{ SID string }
	got := c.recv()
	rest, ok := strings.CutPrefix(got, header("40", namespace))
	if !ok || json.Unmarshal([]byte(rest), &hello) != nil {
		c.tb.Fatalf("joining %s was answered with %q", namespace, got)
	}
	c.sid = hello.SID
}

// socket is the server's side of what the client joined last.
func (e *env) socket(c *client) *Socket {
	e.tb.Helper()
	e.settle() // it is listed just after the client hears of it
	e.io.mu.RLock()
	all := slices.Collect(maps.Values(e.io.namespaces))
	e.io.mu.RUnlock()
	for _, n := range all {
		if s, ok := n.Socket(c.sid); ok {
			return s
		}
	}
	e.tb.Fatalf("no socket %q", c.sid)
	return nil
}

func (c *client) read(br *bufio.Reader) error {
	for {
		h, err := ws.ReadHeader(br)
		if err != nil {
			return err
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(br, data); err != nil {
			return err
		}
		switch {
		case h.OpCode == ws.OpClose:
			c.closing, _ = ws.ParseCloseFrameData(data)
			c.write(ws.NewCloseFrame(data))
			return nil
		case h.OpCode == ws.OpBinary:
			c.put("b:" + string(data))
		case string(data) == "2" && c.silent.Load():
		case string(data) == "2":
			c.write(ws.NewTextFrame([]byte("3")))
		default:
			c.put(string(data))
		}
	}
}

// put hands a message to the test. A test that has ended takes nothing, and waits
// for the reading goroutine.
func (c *client) put(message string) {
	select {
	case c.in <- message:
	case <-c.tb.Context().Done():
	}
}

func (c *client) write(frames ...ws.Frame) error {
	var b bytes.Buffer
	for _, f := range frames {
		f = ws.MaskFrame(f)
		ws.WriteHeader(&b, f.Header)
		b.Write(f.Payload)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.conn.Write(b.Bytes())
	return err
}

// send sends messages in one write; those behind "b:" as attachments.
func (c *client) send(messages ...string) {
	c.tb.Helper()
	frames := make([]ws.Frame, len(messages))
	for i, m := range messages {
		if data, ok := strings.CutPrefix(m, "b:"); ok {
			frames[i] = ws.NewBinaryFrame([]byte(data))
		} else {
			frames[i] = ws.NewTextFrame([]byte(m))
		}
	}
	if err := c.write(frames...); err != nil {
		c.tb.Errorf("sending %q: %v", messages, err)
	}
}

// patience is how long tests wait for what must come; in a bubble it costs nothing.
const patience = 5 * time.Second

func (c *client) recv() string {
	c.tb.Helper()
	select {
	case m := <-c.in:
		return m
	case <-time.After(patience):
		c.tb.Fatal("nothing came")
		return ""
	}
}

func (c *client) want(messages ...string) {
	c.tb.Helper()
	for _, want := range messages {
		if got := c.recv(); got != want {
			c.tb.Fatalf("got %q, want %q", got, want)
		}
	}
}

// wantNothing waits until all is quiet in the bubble.
func (c *client) wantNothing() {
	c.tb.Helper()
	time.Sleep(patience)
	synctest.Wait()
	select {
	case m := <-c.in:
		c.tb.Errorf("got %q, want nothing", m)
	default:
	}
}

// wantClosed expects the end of the connection, and nothing before it.
func (c *client) wantClosed() {
	c.tb.Helper()
	select {
	case err := <-c.ended:
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
			c.tb.Errorf("connection ended with %v", err)
		}
	case <-time.After(patience):
		c.tb.Fatal("connection is still open")
	}
	if len(c.in) > 0 {
		c.tb.Errorf("got %q before the end", <-c.in)
	}
}

// journal collects what happens, in order.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) add(entry string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
}

func (j *journal) want(tb testing.TB, want ...string) {
	tb.Helper()
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.entries, want) {
		tb.Errorf("happened %q, want %q", j.entries, want)
	}
}

// watch notes connects and disconnects of a namespace.
func (j *journal) watch(n *Namespace) {
	n.OnConnect(func(context.Context, *Socket) { j.add("connect") })
	n.OnDisconnect(func(_ *Socket, reason Reason) { j.add("disconnect: " + string(reason)) })
}

// acknowledge answers with the arguments that came.
func acknowledge(_ context.Context, _ *Socket, m *Message) error {
	return m.Ack().SendBinary(m.Binary(), m.Args()...)
}

// echo sends back what came, under another name.
func echo(_ context.Context, s *Socket, m *Message) error {
	p, err := NewBinaryEvent(s.Namespace().Name(), "message-back", m.Binary(), m.Args()...)
	if err != nil {
		return err
	}
	return s.Send(p)
}

// poller is a client over long-polling.
type poller struct {
	e     *env
	query string
}

func (e *env) poll() *poller {
	p := &poller{e, "/socket.io/?EIO=4&transport=polling"}
	var hello struct{ SID string }
	if err := json.Unmarshal([]byte(p.get()[1:]), &hello); err != nil {
		e.tb.Fatal(err)
	}
	p.query += "&sid=" + hello.SID
	return p
}

func (p *poller) get() string { return p.must(http.MethodGet, "") }

func (p *poller) post(body string) { p.must(http.MethodPost, body) }

func (p *poller) must(method, body string) string {
	p.e.tb.Helper()
	status, answer := p.do(method, body)
	if status != http.StatusOK {
		p.e.tb.Fatalf("%s %q: %d %s", method, body, status, answer)
	}
	return answer
}

func (p *poller) do(method, body string) (status int, answer string) {
	w := httptest.NewRecorder()
	p.e.io.ServeHTTP(w, httptest.NewRequest(method, p.query, strings.NewReader(body)))
	return w.Code, w.Body.String()
}
