package engineio

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
)

// env is a server under test and the way to it.
type env struct {
	t      *testing.T
	srv    *Server
	http   *http.Client
	dial   func() net.Conn
	events chan *recorder // one for each session

	closeErr error // what the server's Close returns, where a test made it fail
}

// recorder is the handler of a session under test. It echoes unless onMessage says otherwise.
type recorder struct {
	s         *Session
	onMessage func(s *Session, data []byte, binary bool)
	closed    chan Reason
}

func (h *recorder) HandleMessage(data []byte, binary bool) {
	if h.onMessage != nil {
		h.onMessage(h.s, data, binary)
		return
	}
	h.s.Send(NewFrame(data, binary))
}

func (h *recorder) HandleClose(reason Reason) {
	h.closed <- reason // a second one would block, and fail the test
}

type option func(*env, *http.Server, *func(*recorder))

// onMessage replaces the echo.
func onMessage(f func(s *Session, data []byte, binary bool)) option {
	return func(_ *env, _ *http.Server, accept *func(*recorder)) {
		*accept = func(r *recorder) { r.onMessage = f }
	}
}

// onAccept runs f during accept.
func onAccept(f func(r *recorder)) option {
	return func(_ *env, _ *http.Server, accept *func(*recorder)) { *accept = f }
}

// newPipeEnv serves in memory; newTCPEnv on a loopback socket.
func newPipeEnv(t *testing.T, cfg Config, opts ...option) *env {
	l := pipenet.Listen()
	return newEnv(t, cfg, l, l.Dial, opts...)
}

func newTLSEnv(t *testing.T, cfg Config, opts ...option) *env {
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: borrowed.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(borrowed.Certificate())
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "example.com"}}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", l.Addr().String())
	}
	return newEnv(t, cfg, l, dial, opts...)
}

func newTCPEnv(t *testing.T, cfg Config, opts ...option) *env {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	}
	return newEnv(t, cfg, l, dial, opts...)
}

func newEnv(t *testing.T, cfg Config, l net.Listener, dial func(context.Context, string, string) (net.Conn, error), opts ...option) *env {
	e := &env{t: t, events: make(chan *recorder, 16)}
	var accept func(*recorder)
	hs := &http.Server{}
	for _, o := range opts {
		o(e, hs, &accept)
	}
	srv, err := NewServer(cfg, func(s *Session) Handler {
		r := &recorder{s: s, closed: make(chan Reason, 1)}
		if accept != nil {
			accept(r)
		}
		e.events <- r
		return r
	})
	if err != nil {
		t.Fatal(err)
	}
	e.srv = srv
	hs.Handler = srv
	var serving sync.WaitGroup
	serving.Go(func() { hs.Serve(l) })
	tr := &http.Transport{DialContext: dial}
	e.http = &http.Client{Transport: tr}
	e.dial = func() net.Conn {
		c, err := dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Cleanup(func() {
		srv.each(func(s *Session) { s.abort(ReasonTransportClose) }) // nobody polls any more
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := srv.Close(ctx); !errors.Is(err, e.closeErr) {
			t.Errorf("Close: %v", err)
		}
		if n := srv.Sessions(); n != 0 {
			t.Errorf("%d sessions open after Close", n)
		}
		tr.CloseIdleConnections()
		hs.Close()
		serving.Wait()
	})
	return e
}

// session returns the server's side of the session opened last.
func (e *env) session() *recorder {
	e.t.Helper()
	return <-e.events
}

// wantClosed waits for HandleClose.
func (h *recorder) wantClosed(t *testing.T, want Reason) {
	t.Helper()
	if got := <-h.closed; got != want {
		t.Errorf("closed for %q, want %q", got, want)
	}
}

// request makes one HTTP request and returns the status and body.
func (e *env) request(method, query, body string, header ...string) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, "http://test/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := e.http.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return res, string(got)
}

// open is what the server says of a new session.
type open struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

func parseOpen(t *testing.T, packet string) (o open) {
	t.Helper()
	if packet == "" || packet[0] != packetOpen {
		t.Fatalf("%q is no open packet", packet)
	}
	d := json.NewDecoder(strings.NewReader(packet[1:]))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// pollClient is a session over polling.
type pollClient struct {
	*env
	sid string
}

func (e *env) openPolling() pollClient {
	e.t.Helper()
	res, body := e.request("GET", "EIO=4&transport=polling", "")
	if res.StatusCode != 200 {
		e.t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return pollClient{e, parseOpen(e.t, body).SID}
}

func (c pollClient) query() string { return "EIO=4&transport=polling&sid=" + c.sid }

func (c pollClient) wantPoll(status int, want string) {
	c.t.Helper()
	res, got := c.request("GET", c.query(), "")
	if res.StatusCode != status || status == 200 && got != want {
		c.t.Errorf("poll: %d %q, want %d %q", res.StatusCode, got, status, want)
	}
}

func (c pollClient) wantPost(status int, body string) {
	c.t.Helper()
	res, got := c.request("POST", c.query(), body)
	if res.StatusCode != status || status == 200 && got != "ok" {
		c.t.Errorf("post %.20q: %d %q, want %d", body, res.StatusCode, got, status)
	}
}

// async runs f beside the test, and is waited for.
func async(f func()) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	return wg.Wait
}

// wsClient is a WebSocket client that hides nothing.
type wsClient struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	res  *http.Response
}

const key = "dGhlIHNhbXBsZSBub25jZQ=="

func (e *env) dialWS(query string, header ...string) *wsClient {
	e.t.Helper()
	c := &wsClient{t: e.t, conn: e.dial()}
	e.t.Cleanup(func() { c.conn.Close() })
	var b bytes.Buffer
	b.WriteString("GET /engine.io/?" + query + " HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n")
	for i := 0; i < len(header); i += 2 {
		b.WriteString(header[i] + ": " + header[i+1] + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		e.t.Fatal(err)
	}
	c.br = bufio.NewReader(c.conn)
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	c.res = res
	return c
}

// openWS opens a session over WebSocket.
func (e *env) openWS() *wsClient {
	e.t.Helper()
	c := e.dialWS("EIO=4&transport=websocket")
	if c.res.StatusCode != http.StatusSwitchingProtocols {
		e.t.Fatalf("handshake: %s", c.res.Status)
	}
	op, data := c.recv()
	if op != ws.OpText {
		e.t.Fatalf("first frame is a %v", op)
	}
	parseOpen(e.t, string(data))
	return c
}

func (c *wsClient) write(frames ...ws.Frame) {
	c.t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		ws.WriteHeader(&b, f.Header)
		b.Write(f.Payload)
	}
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

// send sends text messages in one write.
func (c *wsClient) send(texts ...string) {
	c.t.Helper()
	frames := make([]ws.Frame, len(texts))
	for i, text := range texts {
		frames[i] = ws.MaskFrame(ws.NewTextFrame([]byte(text)))
	}
	c.write(frames...)
}

// recv returns the next frame. The server never fragments.
func (c *wsClient) recv() (ws.OpCode, []byte) {
	c.t.Helper()
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	if h.Masked || !h.Fin || h.Rsv != 0 {
		c.t.Fatalf("server sent header %+v", h)
	}
	data := make([]byte, h.Length)
	if _, err := io.ReadFull(c.br, data); err != nil {
		c.t.Fatal(err)
	}
	return h.OpCode, data
}

func (c *wsClient) want(text string) {
	c.t.Helper()
	if op, got := c.recv(); op != ws.OpText || string(got) != text {
		c.t.Fatalf("got %v %.60q, want text %.60q", op, got, text)
	}
}

// wantClose expects a close frame, answers it, and expects the end of the connection.
func (c *wsClient) wantClose(code ws.StatusCode) {
	c.t.Helper()
	op, data := c.recv()
	if op != ws.OpClose {
		c.t.Fatalf("got %v %q, want a close frame", op, data)
	}
	if got, _ := ws.ParseCloseFrameData(data); got != code {
		c.t.Errorf("close code %d, want %d", got, code)
	}
	c.conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(data)))) // fails where the server did not wait
	c.wantEOF()
	c.conn.Close()
}

func (c *wsClient) wantEOF() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.br); n > 0 {
		c.t.Errorf("%d more bytes before the end: %v", n, err)
	}
}

// goroutine returns the number of the calling goroutine.
func goroutine() string {
	var b [64]byte
	return string(bytes.Fields(b[:runtime.Stack(b[:], false)])[1])
}
