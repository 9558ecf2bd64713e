package engineio

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// sendRaw opens a connection and writes to it what a client sends that does not go on.
func (e *env) sendRaw(text string) net.Conn {
	e.t.Helper()
	conn := e.dial()
	e.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		e.t.Fatal(err)
	}
	return conn
}

// answered returns the status of the answer, and how long it took until it came and until the
// connection ended.
func answered(t *testing.T, conn net.Conn) (status int, answer, end time.Duration) {
	t.Helper()
	start := time.Now()
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer = time.Since(start)
	io.Copy(io.Discard, br)
	return res.StatusCode, answer, time.Since(start)
}

func unfinished(method, query, header string) string {
	return method + " /engine.io/?" + query + " HTTP/1.1\r\nHost: test\r\n" + header + "\r\n\r\n"
}

// A body that does not go on ends the session that it is for, and its request, after StallTimeout.
func TestPostThatStalls(t *testing.T) {
	for name, body := range map[string]string{
		"one byte":  "Content-Length: 100\r\n\r\n4",
		"no byte":   "Content-Length: 100\r\n\r\n",
		"in chunks": "Transfer-Encoding: chunked\r\n\r\n1\r\n4\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{StallTimeout: 5 * time.Second})
				c := e.openPolling()
				conn := e.sendRaw("POST /?" + c.query() + " HTTP/1.1\r\nHost: test\r\n" + body)
				status, answer, end := answered(t, conn)
				if status != 400 || answer != 5*time.Second || end > 7*time.Second {
					t.Errorf("answered %d after %v, ended after %v", status, answer, end)
				}
				e.session().wantClosed(t, ReasonTransportError)
			})
		})
	}
}

// One that goes on slowly is read for as long as its session lives: a client that sends cannot
// answer a ping.
func TestPostThatTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{PingInterval: 20 * time.Second, PingTimeout: 10 * time.Second, StallTimeout: 5 * time.Second})
		c := e.openPolling()
		start := time.Now()
		conn := e.sendRaw(unfinished("POST", c.query(), "Content-Length: 100") + "4")
		trickled := async(func() {
			for range 99 {
				time.Sleep(4 * time.Second)
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
			}
			t.Error("the whole body was taken")
		})
		e.session().wantClosed(t, ReasonPingTimeout)
		if status, answer, _ := answered(t, conn); status != 400 || answer != 0 {
			t.Errorf("answered %d %v after the end of the session", status, answer)
		}
		if took := time.Since(start); took > 32*time.Second {
			t.Errorf("took %v", took)
		}
		conn.Close()
		trickled()
	})
}

// A slow body that comes in the end is a message like any other, and its connection serves on.
func TestPostThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{StallTimeout: 5 * time.Second})
		c := e.openPolling()
		conn := e.sendRaw(unfinished("POST", c.query(), "Content-Length: 4") + "4")
		for _, b := range []string{"a", "b", "c"} {
			time.Sleep(4 * time.Second)
			io.WriteString(conn, b)
		}
		br := bufio.NewReader(conn)
		for _, next := range []string{"4d", "4e"} {
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			io.Copy(io.Discard, res.Body)
			time.Sleep(6 * time.Second)
			io.WriteString(conn, unfinished("POST", c.query(), "Content-Length: 2")+next)
		}
		synctest.Wait()
		c.wantPoll(200, "4abc\x1e4d\x1e4e")
	})
}

// Whatever is refused is answered at once, and its connection given up a second later.
func TestRefusedBodiesAreNotWaitedFor(t *testing.T) {
	const length = "Content-Length: 100"
	for name, request := range map[string]func(c pollClient) string{
		"unknown session": func(pollClient) string { return unfinished("POST", "EIO=4&transport=polling&sid=abc", length) },
		"in chunks": func(pollClient) string {
			return unfinished("POST", "EIO=4&transport=polling&sid=abc", "Transfer-Encoding: chunked")
		},
		"handshake": func(pollClient) string { return unfinished("POST", "EIO=4&transport=polling", length) },
		"transport": func(pollClient) string { return unfinished("POST", "EIO=4&transport=pigeon", length) },
		"method":    func(c pollClient) string { return unfinished("PUT", c.query(), length) },
		"too large": func(c pollClient) string { return unfinished("POST", c.query(), "Content-Length: 1000001") },
		"header": func(c pollClient) string {
			return unfinished("POST", c.query(), length+"\r\nX-Big: "+strings.Repeat("x", maxHeader))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				conn := e.sendRaw(request(e.openPolling()) + "4")
				status, answer, end := answered(t, conn)
				if status/100 != 4 || answer != 0 || end > httpbody.RestTimeout+500*time.Millisecond {
					t.Errorf("answered %d after %v, ended after %v", status, answer, end)
				}
			})
		})
	}
}

// Requests that need no body are not held by one either.
func TestBodiesThatNobodyReads(t *testing.T) {
	for name, request := range map[string]func(c pollClient) string{
		"handshake": func(pollClient) string { return unfinished("GET", "EIO=4&transport=polling", "Content-Length: 100") },
		"preflight": func(pollClient) string {
			return unfinished("OPTIONS", "EIO=4&transport=polling", "Content-Length: 100")
		},
		"refused": func(pollClient) string {
			return unfinished("GET", "EIO=4&transport=polling&sid=abc", "Content-Length: 100")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				conn := e.sendRaw(request(e.openPolling()) + "4")
				if _, answer, end := answered(t, conn); answer != 0 || end > httpbody.RestTimeout {
					t.Errorf("answered after %v, ended after %v", answer, end)
				}
			})
		})
	}
}

// A session that ends takes the reading of its POST with it, and so does a server that closes.
func TestPostEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(e *env, s *recorder){
		"closed by the application": func(_ *env, s *recorder) { s.s.Close(ReasonForcedClose) },
		"aborted":                   func(_ *env, s *recorder) { s.s.abort(ReasonSlowConsumer) },
		"server closed": func(e *env, _ *recorder) {
			if err := e.srv.Close(e.t.Context()); err != nil {
				e.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				c := e.openPolling()
				conn := e.sendRaw(unfinished("POST", c.query(), "Content-Length: 100") + "4")
				synctest.Wait()
				ending := async(func() { end(e, e.session()) })
				status, answer, gone := answered(t, conn)
				if status != 400 || answer != 0 || gone > httpbody.RestTimeout+500*time.Millisecond {
					t.Errorf("answered %d after %v, ended after %v", status, answer, gone)
				}
				ending()
			})
		})
	}
}

// Over HTTP/2 a body has the deadlines of its stream.
func TestPostOverHTTP2(t *testing.T) {
	srv, err := NewServer(Config{}, func(s *Session) Handler { return echoer{s} })
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(srv)
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	defer srv.Close(t.Context())
	do := func(method, query string, body io.Reader) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, web.URL+"/?EIO=4&transport=polling"+query, body)
		if err != nil {
			t.Fatal(err)
		}
		res, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 {
			t.Fatal(res.Proto, err)
		}
		return res.StatusCode, string(text)
	}
	_, open := do("GET", "", nil)
	id := parseOpen(t, open).SID
	if code, text := do("POST", "&sid="+id, strings.NewReader("4hello")); code != 200 || text != "ok" {
		t.Errorf("post: %d %s", code, text)
	}
	if code, text := do("GET", "&sid="+id, nil); code != 200 || text != "4hello" {
		t.Errorf("poll: %d %s", code, text)
	}
	for _, query := range []string{"&sid=nobody", "&sid=" + id} {
		body, rest := io.Pipe()
		go func() {
			rest.Write([]byte("4"))
			if s := srv.session(id); strings.HasSuffix(query, id) {
				s.abort(ReasonForcedClose)
			}
		}()
		if code, text := do("POST", query, body); code != 400 {
			t.Errorf("unfinished post, %s: %d %s", query, code, text)
		}
		rest.Close()
	}
}

// A client that takes no answer does not outlive the server.
func TestUnreadAnswerEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		e.session().s.Send(NewFrame(make([]byte, 100_000), false))
		conn := e.sendRaw("GET /?" + c.query() + " HTTP/1.1\r\nHost: test\r\n\r\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e.closeErr = context.DeadlineExceeded
		if err := e.srv.Close(ctx); !errors.Is(err, e.closeErr) {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if n, err := io.Copy(io.Discard, conn); n >= 100_000 {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

// A WebSocket message that never ends cannot outlive the ping: no pong can come between its parts.
func TestWebSocketMessageThatTrickles(t *testing.T) {
	for name, begin := range map[string]ws.Frame{
		"in a frame":   {Header: ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 100_000}},
		"in fragments": ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("4"))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newPipeEnv(t, Config{})
				c := e.openWS()
				drained := async(func() { io.Copy(io.Discard, c.br) })
				c.write(begin)
				part := []byte("x")
				if !begin.Header.Fin {
					part = ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, []byte("x"))))
				}
				trickled := async(func() {
					for range 100 {
						time.Sleep(time.Second)
						if _, err := c.conn.Write(part); err != nil {
							return
						}
					}
					t.Error("still taken")
				})
				e.session().wantClosed(t, ReasonPingTimeout)
				trickled()
				c.conn.Close()
				drained()
			})
		})
	}
}

// An upgrade that waits for a POST ends with its session, and a WebSocket that was turned away with
// the server.
func TestUpgradesEndWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		poll := e.openPolling()
		w := poll.probeUpgrade()
		e.sendRaw(unfinished("POST", poll.query(), "Content-Length: 100") + "4")
		sent := async(func() { w.send("5") })
		synctest.Wait()
		late := poll.dialUpgrade()
		late.recv() // it is told, and stays
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		e.closeErr = context.Canceled
		if err := e.srv.Close(ctx); !errors.Is(err, e.closeErr) {
			t.Errorf("Close: %v", err)
		}
		sent()
		late.wantEOF()
		w.wantEOF()
		synctest.Wait()
		if n := e.srv.tasks.Load(); n != 0 || time.Since(start) != 0 {
			t.Errorf("%d goroutines after %v", n, time.Since(start))
		}
	})
}

// What a session keeps of its request is bounded; what is larger is refused, never cut.
func TestHeaderTooLarge(t *testing.T) {
	e := newTCPEnv(t, Config{})
	for _, test := range []struct {
		name   string
		query  string
		header []string
		status int
	}{
		{"cookie", "", []string{"Cookie", "a=" + strings.Repeat("x", 16_000)}, 200},
		{"large cookie", "", []string{"Cookie", "a=" + strings.Repeat("x", 60_000)}, 431},
		{"just too large", "", []string{"Cookie", strings.Repeat("x", maxHeader)}, 431},
		{"query", "&q=" + strings.Repeat("x", maxHeader), nil, 431},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, _ := e.request("GET", "EIO=4&transport=polling"+test.query, "", test.header...)
			if res.StatusCode != test.status {
				t.Errorf("polling: %s, want %d", res.Status, test.status)
			}
			if test.status == 200 {
				s := e.session().s
				if got := s.Request().Header.Get(test.header[0]); got != test.header[1] {
					t.Errorf("%d bytes kept of %d", len(got), len(test.header[1]))
				}
				if len(s.info) > maxHeader+100 {
					t.Errorf("%d bytes kept", len(s.info))
				}
				test.status = 101
			}
			if got := e.dialWS("EIO=4&transport=websocket"+test.query, test.header...).res.StatusCode; got != test.status {
				t.Errorf("WebSocket: %d, want %d", got, test.status)
			}
		})
	}
}
