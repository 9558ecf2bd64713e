package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// Request is what is kept of the HTTP request that opened a session.
type Request struct {
	RemoteAddr string      // as in http.Request
	Host       string      // as in http.Request
	Query      url.Values  // of the URL
	Header     http.Header // without those that only concern the connection; see Config.AllowedOrigins
}

// ServeHTTP serves one request of any transport.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		httpbody.Drop(w, r)
	}
	if headerTooLarge(r) {
		bigHeader.write(w, r)
		return
	}
	sender := srv.admit(w, r)
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	query := r.URL.Query()
	transport := Transport(query.Get("transport"))
	switch {
	case !srv.offers(transport):
		unknownTransport.write(w, r)
	case query.Has("j"): // JSONP, which no client of this protocol version needs
		badRequest.write(w, r)
	case sender == refused:
		forbidden.write(w, r)
	case query.Has("sid"):
		srv.resume(w, r, transport, query.Get("sid"))
	default:
		srv.handshake(w, r, transport, query.Get("EIO"), sender)
	}
}

// maxHeader bounds the header of a request, in bytes: a session keeps that of its handshake.
const maxHeader = 16 << 10

// headerTooLarge measures the header as it was sent, near enough.
func headerTooLarge(r *http.Request) bool {
	size := len(r.Method) + max(len(r.RequestURI), len(r.URL.RawQuery)) + len(r.Host) + len("  HTTP/1.1\r\nHost: \r\n\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	return size > maxHeader
}

// handshake opens a session.
func (srv *Server) handshake(w http.ResponseWriter, r *http.Request, transport Transport, version string, sender admission) {
	switch {
	case r.Method != http.MethodGet:
		badMethod.write(w, r)
	case version != "4":
		badVersion.write(w, r)
	case transport == WebSocket && !isWebSocket(r):
		badRequest.write(w, r)
	case !srv.enter():
		draining.write(w, r)
	case transport == WebSocket:
		srv.openWebSocket(w, r, sender)
	default:
		srv.openPolling(w, r, sender)
	}
}

// resume serves a request of an existing session.
func (srv *Server) resume(w http.ResponseWriter, r *http.Request, transport Transport, sid string) {
	s := srv.session(sid)
	switch {
	case s == nil:
		unknownSession.write(w, r)
	case transport == WebSocket && isWebSocket(r):
		s.serveUpgrade(w, r)
	case transport == WebSocket:
		badRequest.write(w, r)
	case r.Method == http.MethodGet:
		s.servePoll(w, r)
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		badRequest.write(w, r)
	}
}

// newSession returns a session in its first turn, which ends when accept has returned. The caller
// gives it a carrier, then starts it.
func (srv *Server) newSession(r *http.Request, sender admission) *Session {
	s := &Session{
		srv:     srv,
		flusher: srv.nextFlusher(),
		info:    pack(newID(), r, sender),
		turn:    true,
		inline:  true,
	}
	s.stamp()
	return s
}

// start queues the open packet, makes s known and lets the application accept it.
func (s *Session) start(upgrade bool) {
	cfg := &s.srv.cfg
	open := newPacket(string(openPacket{
		sid:          s.ID(),
		upgrade:      upgrade,
		pingInterval: cfg.PingInterval,
		pingTimeout:  cfg.PingTimeout,
		maxPayload:   cfg.MaxPayload,
	}.append(nil)))
	s.mu.Lock()
	s.enqueue(len(open.wire), open)
	s.mu.Unlock()
	s.startHeartbeat()
	s.srv.add(s)
	s.admitted()
}

// newID returns 120 random bits as text.
func newID() string {
	var b [idLen * 3 / 4]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// pack joins a session's id and what is kept of its request into one string: of thousands of idle
// sessions nobody asks for it, and a parsed header takes several times as much.
func pack(id string, r *http.Request, sender admission) string {
	var b strings.Builder
	b.WriteString(id)
	line := func(s string) {
		b.WriteString(s)
		b.WriteByte('\n')
	}
	line(r.RemoteAddr)
	line(r.Host)
	line(r.URL.RawQuery)
	for name, values := range r.Header {
		if ofConnection(name) || sender == anonymous && credential(name, r) {
			continue
		}
		for _, v := range values {
			line(name)
			line(v)
		}
	}
	return strings.Clone(b.String()) // without the builder's spare room
}

func ofConnection(header string) bool {
	return header == "Connection" || header == "Upgrade" || strings.HasPrefix(header, "Sec-Websocket-")
}

// credential reports whether the browser itself has put a header into r that says who its user is. A
// page can set Authorization where it polls, but not where it opens a WebSocket.
func credential(header string, r *http.Request) bool {
	return header == "Cookie" || header == "Authorization" && r.Header.Get("Upgrade") != ""
}

// Request returns the handshake request, parsed again at each call. The caller owns the result.
func (s *Session) Request() *Request {
	rest := s.info[idLen:]
	next := func() (line string) {
		line, rest, _ = strings.Cut(rest, "\n")
		return line
	}
	r := &Request{RemoteAddr: next(), Host: next()}
	r.Query, _ = url.ParseQuery(next()) // what can be parsed, as net/http does
	r.Header = make(http.Header)
	for rest != "" {
		name := next()
		r.Header[name] = append(r.Header[name], next())
	}
	return r
}
