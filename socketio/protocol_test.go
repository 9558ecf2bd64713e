package socketio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

func TestConnect(t *testing.T) {
	for _, tc := range []struct{ name, packet, namespace, auth string }{
		{"main", `40`, "/", `{}`},
		{"main with auth", `40{"token":"123"}`, "/", `{"token":"123"}`},
		{"custom", `40/custom,`, "/custom", `{}`},
		{"custom without comma", `40/custom`, "/custom", `{}`},
		{"custom with auth", `40/custom,{"token":"a,b"}`, "/custom", `{"token":"a,b"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				e.io.Of(tc.namespace).OnConnect(func(_ context.Context, s *Socket) {
					if err := s.Emit("auth", s.Handshake().Auth); err != nil {
						t.Error(err)
					}
				})
				c := e.open()
				c.send(tc.packet)
				prefix := header("40", tc.namespace) + `{"sid":"`
				hello := c.recv()
				id := strings.TrimSuffix(strings.TrimPrefix(hello, prefix), `"}`)
				if !strings.HasPrefix(hello, prefix) || len(id) != 20 {
					t.Errorf("answered with %q", hello)
				}
				c.want(header("42", tc.namespace) + `["auth",` + tc.auth + `]`)
				if _, ok := e.io.Of(tc.namespace).Socket(id); !ok {
					t.Errorf("no socket %q", id)
				}
			})
		})
	}
}

func TestHandshake(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		h := e.socket(c).Handshake()
		if h.Query.Get("q") != "1" || h.Header.Get("X-Test") != "yes" || h.RemoteAddr == "" || !h.Time.Equal(time.Now()) {
			t.Errorf("handshake %+v", h)
		}
		time.Sleep(time.Second)
		c.send("3")
		synctest.Wait()
		if got := e.socket(c).LastPacket(); !got.Equal(time.Now()) {
			t.Errorf("last packet at %v, now is %v", got, time.Now())
		}
	})
}

func TestUnknownNamespace(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.open()
		c.send(`40/random`)
		c.want(`44/random,{"message":"Invalid namespace"}`)
		c.join("/")
	})
}

func TestConnectTimeout(t *testing.T) {
	bubble(t, Config{ConnectTimeout: time.Second}, func(t *testing.T, e *env) {
		joined, idle := e.join("/"), e.open()
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if n := e.io.Engine().Sessions(); n != 2 {
			t.Errorf("%d sessions before the timeout, want 2", n)
		}
		idle.wantClosed()
		joined.send("41")
		joined.wantNothing()
		joined.join("/")
	})
}

func TestConnectTimeoutAfterRefusal(t *testing.T) {
	bubble(t, Config{ConnectTimeout: time.Second}, func(t *testing.T, e *env) {
		e.root.Use(func(context.Context, *Socket) error { return errors.New("no") })
		c := e.open()
		c.send("40")
		c.want(`44{"message":"The server refused this connection."}`)
		c.wantClosed()
	})
}

func TestDisconnectByClient(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		j.watch(e.io.Of("/custom"))
		e.root.On("message", echo)
		c := e.join("/")
		c.join("/custom")
		c.send(`41/custom`, `42["message","to main"]`)
		c.want(`42["message-back","to main"]`)
		j.want(t, "connect", "disconnect: client namespace disconnect")
		c.join("/custom")
		j.want(t, "connect", "disconnect: client namespace disconnect", "connect")
	})
}

func TestEvents(t *testing.T) {
	long := "b:" + strings.Repeat("\x01\xff", 200)
	placeholders := `{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}`
	for _, namespace := range []string{"/", "/custom"} {
		for _, tc := range []struct {
			name     string
			in, want []string
		}{
			{"plain", []string{header("42", namespace) + `["message",1,"2",{"3":[true]}]`},
				[]string{header("42", namespace) + `["message-back",1,"2",{"3":[true]}]`}},
			{"nothing", []string{header("42", namespace) + `["message"]`}, []string{header("42", namespace) + `["message-back"]`}},
			{"many", []string{header("42", namespace) + `["message",1,2,3, 4 ,5,6]`},
				[]string{header("42", namespace) + `["message-back",1,2,3,4,5,6]`}},
			{"text as it is", []string{header("42", namespace) + `["message",{"<&>":1e400,"__proto__":[],"a":12345678901234567890}]`},
				[]string{header("42", namespace) + `["message-back",{"<&>":1e400,"__proto__":[],"a":12345678901234567890}]`}},
			{"binary", []string{header("452-", namespace) + `["message",` + placeholders + `]`, long, "b:"},
				[]string{header("452-", namespace) + `["message-back",` + placeholders + `]`, long, "b:"}},
			{"ack", []string{header("42", namespace) + `456["message-with-ack",1,"2",{"3":[false]}]`},
				[]string{header("43", namespace) + `456[1,"2",{"3":[false]}]`}},
			{"ack 0", []string{header("42", namespace) + `0["message-with-ack"]`}, []string{header("43", namespace) + `0[]`}},
			{"binary ack", []string{header("452-", namespace) + `789["message-with-ack",` + placeholders + `]`, "b:\x01", "b:\x02"},
				[]string{header("462-", namespace) + `789[` + placeholders + `]`, "b:\x01", "b:\x02"}},
			{"announced without attachments", []string{header("450-", namespace) + `["message",1]`},
				[]string{header("42", namespace) + `["message-back",1]`}},
		} {
			for _, inline := range []bool{false, true} {
				t.Run(namespace+" "+tc.name, func(t *testing.T) {
					bubble(t, Config{}, func(t *testing.T, e *env) {
						n := e.io.Of(namespace)
						n.handle("message", echo, inline)
						n.handle("message-with-ack", acknowledge, inline)
						c := e.join(namespace)
						c.send(tc.in...)
						c.want(tc.want...)
						for _, m := range tc.in { // each in a read of its own
							c.send(m)
							synctest.Wait()
						}
						c.want(tc.want...)
						c.wantNothing()
					})
				})
			}
		}
	}
}

func TestProtocolErrorsCloseOnlyTheirConnection(t *testing.T) {
	joined := map[string][]string{
		"connect twice":           {"40"},
		"event without joining":   {`42/custom,["a"]`},
		"ack without joining":     {`43/custom,1["a"]`},
		"leave without joining":   {`41/custom`},
		"attachment alone":        {"b:\x01"},
		"text in place of binary": {`451-["a",{"_placeholder":true,"num":0}]`, `42["a"]`},
		"text before the last":    {`452-["a",1]`, "b:\x01", `42["a"]`},
		"too many attachments":    {`4511-["a",1]`},
		"one attachment too many": {`451-["a",1]`, "b:\x01", "b:\x02"},
	}
	for _, p := range malformedPackets {
		joined[p] = []string{"4" + p}
	}
	for name, messages := range joined {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				e.io.Of("/custom")
				var j journal
				j.watch(e.root)
				e.root.On("message", echo)
				bad, good := e.join("/"), e.join("/")
				j.want(t, "connect", "connect")
				bad.send(messages...)
				bad.wantClosed()
				j.want(t, "connect", "connect", "disconnect: parse error")
				good.send(`42["message"]`)
				good.want(`42["message-back"]`)
			})
		})
	}
}

func TestFirstPacketMustBeAConnect(t *testing.T) {
	for _, packet := range []string{"4abc", `42["a"]`, "41", `431[]`, "b:\x01", "4"} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			c := e.open()
			c.send(packet)
			c.wantClosed()
		})
	}
}

func TestPolling(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.On("message", echo)
		c := e.poll()
		c.post(`40{"a":1}`)
		if got := c.get(); !strings.HasPrefix(got, `40{"sid":"`) {
			t.Fatalf("got %q", got)
		}
		c.post(`451-["message",{"_placeholder":true,"num":0}]` + "\x1ebAQID" + "\x1e" + `42["message"]`)
		got := c.get()
		if !strings.Contains(got, "\x1e") {
			got += "\x1e" + c.get()
		}
		want := `451-["message-back",{"_placeholder":true,"num":0}]` + "\x1ebAQID\x1e" + `42["message-back"]`
		if got != want && got+"\x1e"+c.get() != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.post(`41`)
		c.post(`42["message"]`)
		if status, got := c.do(http.MethodGet, ""); status == http.StatusOK {
			t.Errorf("got %q after a protocol error", got)
		}
	})
}

// Attachments of one packet are bounded together, and may not stay away.
func TestAttachmentsAreBounded(t *testing.T) {
	const limit = 1000
	part := "b:" + strings.Repeat("x", limit/2)
	packet := `453-1["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`
	for name, tc := range map[string]struct {
		packets []string
		closed  bool
	}{
		"at the limit":   {[]string{packet, part, part, "b:"}, false},
		"over the limit": {[]string{packet, part, part, "b:x"}, true},
		"never complete": {[]string{packet, part, part}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{Engine: engineio.Config{MaxPayload: limit}}, func(t *testing.T, e *env) {
				e.root.OnInline("a", func(_ context.Context, _ *Socket, m *Message) error { return m.Ack().Send(len(m.Binary())) })
				c := e.join("/")
				conn := e.socket(c).conn
				c.send(tc.packets...)
				if !tc.closed {
					c.want(`431[3]`)
					time.Sleep(2 * assemblyTime)
					c.send(`421["a"]`)
					c.want(`431[0]`)
					return
				}
				time.Sleep(assemblyTime)
				c.wantClosed()
				synctest.Wait()
				if conn.pending != nil {
					t.Error("the attachments are still held")
				}
			})
		})
	}
}

// A connection that ends or misbehaves while attachments are awaited leaves no timer.
func TestNoTimerOutlivesItsConnection(t *testing.T) {
	for name, end := range map[string]func(e *env, c *client){
		"close":       func(e *env, _ *client) { e.close() },
		"lost":        func(_ *env, c *client) { c.conn.Close() },
		"parse error": func(_ *env, c *client) { c.send("4x") },
		"never joins": func(e *env, _ *client) { e.open(); e.close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				c := e.join("/")
				conn := e.socket(c).conn
				c.send(`451-1["a",{"_placeholder":true,"num":0}]`)
				synctest.Wait()
				overdue := conn.pending.overdue
				end(e, c)
				synctest.Wait()
				if overdue.Stop() || conn.timer != nil {
					t.Error("a timer is left")
				}
			})
		})
	}
}

func TestAuthIsBounded(t *testing.T) {
	auth := func(size int) string { return `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}` }
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.io.Of("/custom")
		c := e.open()
		c.send("40" + auth(maxAuth+1))
		c.want(`44{"message":"The auth payload is over the limit of 16384 bytes."}`)
		c.send("40/custom," + auth(500_000))
		c.want(`44/custom,{"message":"The auth payload is over the limit of 16384 bytes."}`)
		c.send("40" + auth(maxAuth))
		if got := c.recv(); !strings.HasPrefix(got, `40{"sid":`) {
			t.Errorf("got %s", got)
		}
	})
}

// Messages that wait for a slow handler are bounded in bytes too.
func TestWaitingMessagesAreBoundedInBytes(t *testing.T) {
	bubble(t, Config{Engine: engineio.Config{MaxPayload: 1000}}, func(t *testing.T, e *env) {
		release := make(chan bool)
		e.root.On("slow", func(context.Context, *Socket, *Message) error { <-release; return nil })
		e.root.OnInline("fast", acknowledge)
		c := e.join("/")
		s := e.socket(c)
		big := `42["slow","` + strings.Repeat("x", 600) + `"]`
		c.send(big, big, big, `421["fast"]`)
		c.want(`431[]`)
		c.send(big, `422["fast"]`)
		c.wantNothing()
		s.mu.Lock()
		if s.queued != 2 || s.queuedBytes < 1200 || s.queuedBytes > 2000 {
			t.Errorf("%d messages of %d bytes wait", s.queued, s.queuedBytes)
		}
		s.mu.Unlock()
		close(release)
		c.want(`432[]`)
		synctest.Wait()
		if s.queuedBytes != 0 {
			t.Errorf("%d bytes wait", s.queuedBytes)
		}
	})
}
