package socketio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/realtime-ai/realtime-message-go/engineio"
)

func TestMiddlewareRefuses(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{errors.New(`dial 10.0.0.7`), `44/custom,{"message":"The server refused this connection."}`},
		{&AckError{Code: "x", Message: "y"}, `44/custom,{"message":"The server refused this connection."}`},
		{&ConnectError{Message: `no <"entry">`}, `44/custom,{"message":"no <\"entry\">"}`},
		{&ConnectError{Message: "banned"}, `44/custom,{"message":"banned"}`},
		{fmt.Errorf("wrapped: %w", &ConnectError{Message: "banned", Data: map[string]int{"days": 3}}),
			`44/custom,{"message":"banned","data":{"days":3}}`},
	} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			var j journal
			n := e.io.Of("custom")
			j.watch(n)
			refusing := true
			n.Use(func(_ context.Context, s *Socket) error {
				if s.Connected() || s.Emit("early") == nil || s.Join("early") == nil {
					t.Error("socket is connected before it joined")
				}
				return nil
			})
			n.Use(func(context.Context, *Socket) error {
				if refusing {
					return tc.err
				}
				return nil
			})
			n.Use(func(context.Context, *Socket) error { j.add("last middleware"); return nil })
			c := e.open()
			c.send("40/custom")
			c.want(tc.want)
			j.want(t)
			refusing = false
			c.join("/custom")
			j.want(t, "last middleware", "connect")
		})
	}
}

// What a middleware says is for the log, unless it is a ConnectError.
func TestMiddlewareErrorsAreLogged(t *testing.T) {
	for _, tc := range []struct {
		err   error
		lines int
	}{
		{errors.New("dial 10.0.0.7"), 1},
		{&ConnectError{Message: "dial 10.0.0.7"}, 0},
	} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			e.root.Use(func(context.Context, *Socket) error { return tc.err })
			c := e.open()
			for range 100 { // which is logged once
				c.send("40")
				c.recv()
			}
			e.close()
			if got := strings.Count(e.logs.String(), "10.0.0.7"); got != tc.lines {
				t.Errorf("%v: %d lines: %s", tc.err, got, e.logs)
			}
		})
	}
}

func TestMiddlewareThatPanicsTellsNoSecrets(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		e.root.Use(func(context.Context, *Socket) error { panic("secret") })
		c := e.open()
		c.send("40")
		c.want(`44{"message":"internal error"}`)
		e.close()
		if !strings.Contains(e.logs.String(), "secret") {
			t.Error("the panic was not logged")
		}
	})
}

func TestPacketWhileMiddlewareDecides(t *testing.T) {
	for _, packet := range []string{"40", `42["a"]`, `430[]`} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			var j journal
			j.watch(e.root)
			e.root.Use(func(ctx context.Context, _ *Socket) error {
				<-ctx.Done()
				j.add("middleware ends")
				return nil
			})
			c := e.open()
			c.send("40", packet)
			c.wantClosed()
			j.want(t, "middleware ends")
		})
	}
}

func TestEventsWaitForOnConnect(t *testing.T) {
	for _, inline := range []bool{false, true} {
		bubble(t, Config{}, func(t *testing.T, e *env) {
			var j journal
			e.root.OnConnect(func(context.Context, *Socket) {
				time.Sleep(time.Minute)
				j.add("connect")
			})
			e.root.OnDisconnect(func(*Socket, Reason) { j.add("disconnect") })
			e.root.handle("a", func(context.Context, *Socket, *Message) error { j.add("a"); return nil }, inline)
			c := e.join("/")
			c.send(`42["a"]`, `42["a"]`)
			j.want(t)
			time.Sleep(time.Minute)
			j.want(t, "connect", "a", "a")
			c.send("41")
			j.want(t, "connect", "a", "a", "disconnect")
		})
	}
}

func TestSlowHandlerDoesNotHoldUpInlineOnes(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		release := make(chan bool)
		e.root.On("slow", func(_ context.Context, _ *Socket, m *Message) error {
			<-release
			return m.Ack().Send()
		})
		e.root.OnInline("fast", acknowledge)
		c := e.join("/")
		c.send(`421["slow"]`, `422["fast"]`, `423["fast"]`)
		c.want(`432[]`, `433[]`)
		close(release)
		c.want(`431[]`)
	})
}

func TestFullQueuePausesReading(t *testing.T) {
	bubble(t, Config{InboundQueue: 2}, func(t *testing.T, e *env) {
		release := make(chan bool)
		e.root.On("slow", func(_ context.Context, _ *Socket, m *Message) error {
			<-release
			return m.Ack().SendRaw(m.Arg(0))
		})
		e.root.OnInline("fast", acknowledge)
		c, other := e.join("/"), e.join("/")
		// One is handled, two wait, the fourth finds no room; what was answered before it still leaves.
		c.send(`429["fast"]`, `421["slow",1]`, `422["slow",2]`, `423["slow",3]`, `424["slow",4]`, `425["fast"]`)
		c.want(`439[]`)
		c.wantNothing()
		other.send(`421["fast"]`)
		other.want(`431[]`)
		release <- true
		c.want(`431[1]`, `435[]`)
		close(release)
		c.want(`432[2]`, `433[3]`, `434[4]`)
	})
}

func TestFullQueueEndsWithTheConnection(t *testing.T) {
	bubble(t, Config{InboundQueue: 1}, func(t *testing.T, e *env) {
		var j journal
		j.watch(e.root)
		e.root.On("slow", func(ctx context.Context, _ *Socket, m *Message) error {
			<-ctx.Done()
			j.add("handled " + string(m.Arg(0)))
			return nil
		})
		c := e.join("/")
		c.send(`42["slow",1]`, `42["slow",2]`, `42["slow",3]`)
		synctest.Wait()
		e.socket(c).CloseTransport("enough")
		c.wantClosed()
		j.want(t, "connect", "handled 1", "handled 2", "disconnect: enough")
	})
}

func TestDisconnectByServer(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		n := e.io.Of("/custom")
		j.watch(n)
		n.On("a", func(ctx context.Context, s *Socket, m *Message) error {
			j.add("a")
			return acknowledge(ctx, s, m)
		})
		c := e.join("/custom")
		s := e.socket(c)
		s.Join("room")
		s.Disconnect()
		s.Disconnect()
		c.want("41/custom,")
		j.want(t, "connect", "disconnect: server namespace disconnect")
		if s.Connected() || s.InRoom("room") || s.InRoom(s.ID()) || len(s.Rooms()) > 0 || n.Len() > 0 {
			t.Error("the socket is still there")
		}
		if err := s.Emit("a"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("Emit: %v", err)
		}
		if err := s.Join("room"); !errors.Is(err, ErrDisconnected) || s.InRoom("room") || len(n.rooms) > 0 {
			t.Errorf("a disconnected socket joins a room: %v", err)
		}
		c.send(`42/custom,1["a"]`) // sent before the client could know
		c.wantNothing()
		j.want(t, "connect", "disconnect: server namespace disconnect")
		c.join("/custom")
		c.send(`42/custom,1["a"]`)
		c.want("43/custom,1[]")
	})
}

func TestDisconnectWhileAHandlerRuns(t *testing.T) {
	end := map[string]func(e *env, c *client){
		"client namespace disconnect": func(_ *env, c *client) { c.send("41") },
		"server namespace disconnect": func(e *env, c *client) { e.socket(c).Disconnect() },
		"transport close":             func(_ *env, c *client) { c.conn.Close() },
		"parse error":                 func(_ *env, c *client) { c.send("4x") },
		"kick":                        func(e *env, c *client) { e.socket(c).CloseTransport("kick") },
	}
	for reason, end := range end {
		t.Run(reason, func(t *testing.T) {
			bubble(t, Config{}, func(t *testing.T, e *env) {
				var j journal
				j.watch(e.root)
				e.root.OnDisconnecting(func(s *Socket, r Reason) {
					if !s.InRoom("room") || s.Connected() || s.Emit("late") == nil {
						t.Error("connected, or out of its rooms, in OnDisconnecting")
					}
					j.add("disconnecting: " + string(r))
				})
				e.root.On("work", func(ctx context.Context, s *Socket, m *Message) error {
					<-ctx.Done()
					if s.InRoom("room") {
						t.Error("still in a room after the end of the context")
					}
					time.Sleep(time.Second)
					j.add("worked")
					return nil
				})
				c := e.join("/")
				e.socket(c).Join("room")
				c.send(`42["work"]`, `42["work"]`)
				synctest.Wait()
				end(e, c)
				j.want(t, "connect", "disconnecting: "+reason)
				time.Sleep(3 * time.Second)
				want := []string{"connect", "disconnecting: " + reason, "worked", "worked", "disconnect: " + reason}
				if Reason(reason) == ReasonServerDisconnect { // drops what waits
					want = []string{"connect", "disconnecting: " + reason, "worked", "disconnect: " + reason}
				}
				j.want(t, want...)
			})
		})
	}
}

func TestDisconnectInsideAnInlineHandler(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		j.watch(e.root)
		e.root.OnInline("bye", func(_ context.Context, s *Socket, _ *Message) error {
			s.Disconnect()
			j.add("handled")
			return nil
		})
		c := e.join("/")
		c.send(`42["bye"]`, `42["bye"]`)
		c.want("41")
		j.want(t, "connect", "handled", "disconnect: server namespace disconnect")
	})
}

func TestPingTimeout(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		j.watch(e.root)
		c := e.join("/")
		c.silent.Store(true)
		time.Sleep(46 * time.Second)
		j.want(t, "connect", "disconnect: ping timeout")
	})
}

func TestClose(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var j journal
		e.root.OnDisconnect(func(s *Socket, reason Reason) { j.add(string(reason)) })
		e.io.OnClose(func(context.Context) {
			if n := e.root.Len(); n != 2 {
				t.Errorf("%d sockets during OnClose, want 2", n)
			}
			j.add("closing")
			e.root.Emit(t.Context(), "last words")
		})
		started := make(chan bool, 2)
		e.root.On("work", func(ctx context.Context, _ *Socket, _ *Message) error {
			started <- true
			<-ctx.Done()
			time.Sleep(time.Second)
			j.add("worked")
			return nil
		})
		a, b, idle := e.join("/"), e.join("/"), e.open()
		a.send(`42["work"]`)
		<-started
		again := make(chan error, 1)
		e.io.OnClose(func(context.Context) {
			go func() { again <- e.io.Close(context.Background()) }()
		})
		e.close()
		if err := <-again; err != nil {
			t.Errorf("a second Close at the same time: %v", err)
		}
		j.want(t, "closing", "server shutting down", "worked", "server shutting down")
		a.want(`42["last words"]`)
		b.want(`42["last words"]`)
		for _, c := range []*client{a, b, idle} {
			c.wantClosed() // without a disconnect packet
			if c.closing != ws.StatusGoingAway {
				t.Errorf("close code %d", c.closing)
			}
		}
		e.close() // as before, at once
	})
}

func TestCloseIsBoundedByItsContext(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		release := make(chan bool)
		e.root.On("stubborn", func(context.Context, *Socket, *Message) error {
			<-release
			return nil
		})
		c := e.join("/")
		c.send(`42["stubborn"]`)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		e.closeErr = context.DeadlineExceeded // of every Close after that, too
		if err := e.io.Close(ctx); !errors.Is(err, e.closeErr) {
			t.Errorf("error %v", err)
		}
		close(release)
	})
}

func TestRefuse(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		c := e.join("/")
		e.root.On("a", acknowledge)
		e.io.Refuse()
		if status, _ := (&poller{e, "/socket.io/?EIO=4&transport=polling"}).do("GET", ""); status != 503 {
			t.Errorf("a new connection got status %d", status)
		}
		c.send(`421["a"]`)
		c.want(`431[]`)
	})
}

func TestConfigErrorsNameTheField(t *testing.T) {
	for field, cfg := range map[string]Config{
		"ConnectTimeout": {ConnectTimeout: -1},
		"MaxAttachments": {MaxAttachments: -1},
		"InboundQueue":   {InboundQueue: -1},
		"MaxNamespaces":  {MaxNamespaces: -1},
		"MaxPayload":     {Engine: engineio.Config{MaxPayload: -1}},
	} {
		if _, err := NewServer(cfg); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
}
