package wslisten

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxRequest is the longest request, in bytes, that is served here.
const maxRequest = 4 << 10

// scratch is what reading one request borrows.
type scratch struct {
	data  [maxRequest]byte
	bytes bytes.Reader
	lines *bufio.Reader
}

var scratches = sync.Pool{New: func() any { return &scratch{lines: bufio.NewReaderSize(nil, maxRequest)} }}

// lookTime is how long the listener waits for the first request, at most; it is less where that is more than
// a tenth of the server's ReadHeaderTimeout. After that net/http gets the connection and begins to measure
// ReadHeaderTimeout.
const lookTime = time.Second

// look serves a new connection, or hands it to net/http.
func (l *Listener) look(conn net.Conn) {
	w, passed := &response{l: l, conn: conn}, false
	defer func() { w.looked(passed, recover()) }()
	l.state(conn, http.StateNew)
	r := l.first(w)
	_ = conn.SetDeadline(time.Time{}) // that of the look
	if r != nil {
		if l.serve(w, r); w.taken {
			return
		}
		_ = conn.SetDeadline(time.Time{}) // those of the handler
	}
	passed = l.pass(accepted{conn: conn})
}

// looked is the end of look. A connection that neither the handler nor net/http has is closed: the listener
// was closed, or the handler panicked, which is logged as net/http does it, or ended its goroutine.
func (w *response) looked(passed bool, failure any) {
	if failure != nil && failure != http.ErrAbortHandler {
		w.l.logf("http: panic serving %v: %v\n%s", w.conn.RemoteAddr(), failure, debug.Stack())
	}
	if !w.taken && !passed {
		_ = w.conn.Close()
		w.l.state(w.conn, http.StateClosed)
	}
}

// first waits for the first request and returns it. It returns nil for a connection that net/http has to
// serve, which includes one that failed.
func (l *Listener) first(w *response) (r *http.Request) {
	sys, ok := w.conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return nil
	}
	wait := lookTime
	if header := cmp.Or(l.web.ReadHeaderTimeout, l.web.ReadTimeout); header > 0 {
		wait = min(wait, header/10)
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(wait))
	err = raw.Read(func(fd uintptr) bool { // the scratch is not held while nothing comes
		s := scratches.Get().(*scratch)
		defer scratches.Put(s)
		n, ready := peek(fd, s.data[:])
		if n > 0 {
			r, w.size = l.plain(s, s.data[:n])
		}
		return ready
	})
	if err != nil {
		return nil
	}
	return r
}

// plain returns the request in data if it is served here, and its length.
func (l *Listener) plain(s *scratch, data []byte) (*http.Request, int) {
	size := bytes.Index(data, []byte("\r\n\r\n")) + len("\r\n\r\n")
	if size < len("\r\n\r\n") || !isText(data[:size]) || !isUsual(data[:size]) {
		return nil, 0
	}
	s.bytes.Reset(data[:size])
	s.lines.Reset(&s.bytes)
	r, err := http.ReadRequest(s.lines)
	if err != nil || s.lines.Buffered() > 0 || s.bytes.Len() > 0 || !isHandshake(r) || !l.serves(r) {
		return nil, 0
	}
	return r, size
}

// isText reports whether p has printable ASCII, spaces and whole line ends only.
func isText(p []byte) bool {
	for i, c := range p {
		switch {
		case c >= ' ' && c < 0x7f:
		case c == '\r' && i+1 < len(p) && p[i+1] == '\n':
		case c == '\n' && i > 0 && p[i-1] == '\r':
		default:
			return false
		}
	}
	return true
}

// isUsual reports whether the header lines of a request have usual names, and one of them is Host.
// [http.ReadRequest] is less strict than the server of net/http, and does not tell of a second Host.
func isUsual(request []byte) bool {
	_, lines, _ := bytes.Cut(request, []byte("\n"))
	hosts := 0
	for line := range bytes.Lines(bytes.TrimSuffix(lines, []byte("\r\n"))) {
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found || len(name) == 0 || bytes.ContainsFunc(name, notInName) {
			return false
		}
		if bytes.EqualFold(name, []byte("host")) {
			hosts++
		}
	}
	return hosts == 1
}

func notInName(c rune) bool { return !isAlphanumeric(c) && c != '-' && c != '_' }

func isAlphanumeric(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isHandshake reports whether r asks for a WebSocket, and for nothing else that net/http would see to.
func isHandshake(r *http.Request) bool {
	if r.Method != http.MethodGet || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Host == "" || r.URL.Host != "" ||
		r.ContentLength != 0 || len(r.TransferEncoding) > 0 || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	for _, name := range [...]string{"Content-Length", "Transfer-Encoding", "Trailer", "Expect"} {
		if _, has := r.Header[name]; has {
			return false
		}
	}
	return r.Header.Get("Sec-Websocket-Key") != "" && isHost(r.Host)
}

// isHost reports whether a Host header has only what is usual there.
func isHost(host string) bool {
	return !strings.ContainsFunc(host, func(c rune) bool { return !isAlphanumeric(c) && !strings.ContainsRune(".-_:[]", c) })
}

// serve calls the handler for a request.
func (l *Listener) serve(w *response, r *http.Request) {
	ctx, cancel := context.WithCancel(context.WithValue(l.base, http.LocalAddrContextKey, w.conn.LocalAddr()))
	defer cancel()
	if l.web.ConnContext != nil {
		ctx = l.web.ConnContext(ctx, w.conn)
	}
	r = r.WithContext(ctx)
	if addr := w.conn.RemoteAddr(); addr != nil {
		r.RemoteAddr = addr.String()
	}
	l.state(w.conn, http.StateActive)
	l.web.Handler.ServeHTTP(w, r)
}

func (l *Listener) state(conn net.Conn, s http.ConnState) {
	if l.web.ConnState != nil {
		l.web.ConnState(conn, s)
	}
}

func (l *Listener) logf(format string, args ...any) {
	if l.web.ErrorLog != nil {
		l.web.ErrorLog.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}

// response is the [http.ResponseWriter] of a handler that is expected to take the connection over. It
// drops what is written.
type response struct {
	l      *Listener
	conn   net.Conn
	size   int // of the request, which still waits in the kernel
	header http.Header
	taken  bool
}

func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *response) WriteHeader(int) {}

func (w *response) Write(p []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	return len(p), nil
}

// SetReadDeadline and SetWriteDeadline serve [http.ResponseController].
func (w *response) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

func (w *response) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// Hijack implements [http.Hijacker]. What came behind the request has not been read.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.taken {
		return nil, nil, http.ErrHijacked
	}
	if err := w.consume(); err != nil {
		return nil, nil, err
	}
	w.taken = true
	w.l.state(w.conn, http.StateHijacked)
	const least = 16 // bytes; what bufio takes at least
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, least), bufio.NewWriterSize(w.conn, least)), nil
}

// consume reads the request, all of which has come.
func (w *response) consume() error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for left := w.size; left > 0; {
		n, err := w.conn.Read(s.data[:left])
		left -= n
		if err != nil {
			return fmt.Errorf("reading the handshake request: %w", err)
		}
	}
	return nil
}
