package respconn

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const stall = 2 * time.Second

// withServer runs f in fake time with a connection, and the far end of it, to which
// Redis's part is played.
func withServer(t *testing.T, f func(c *Conn, e events, server net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, server := net.Pipe()
		go func() {
			_, _ = io.ReadAtLeast(server, make([]byte, 100), len("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"))
			_, _ = io.WriteString(server, "%1\r\n$7\r\nmodules\r\n*0\r\n")
		}()
		e := make(events, 100)
		c, err := Start(near, Config{Stall: stall}, e)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			c.Close()
			_ = server.Close()
		}()
		f(c, e, server)
	})
}

// swallow takes what the client writes.
func swallow(server net.Conn) { go func() { _, _ = io.Copy(io.Discard, server) }() }

func say(t *testing.T, server net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(server, text); err != nil {
		t.Error(err)
	}
}

// What Redis says about channels goes to the command that it is about, and what it says by
// itself does not.
func TestAnswersAboutChannels(t *testing.T) {
	withServer(t, func(c *Conn, e events, server net.Conn) {
		swallow(server)
		order := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		order(c.Subscribe("SSUBSCRIBE", []string{"a", "b"}, e.refused))
		order(c.Subscribe("SSUBSCRIBE", []string{"c"}, e.refused))
		order(c.Unsubscribe("SUNSUBSCRIBE", []string{"b"}, e.refused))
		order(c.Send(words("PING"), e))
		say(t, server, ">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n")
		say(t, server, ">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n") // its slot moves
		say(t, server, ">3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$2\r\nhi\r\n")
		say(t, server, ">3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:1\r\n")
		say(t, server, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n")
		say(t, server, "-MOVED 7 127.0.0.1:1\r\n")
		say(t, server, ">3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n")
		say(t, server, "+PONG\r\n")
		e.next(t, "subscribed a", "unsubscribed a", "message b hi", "subscribed b",
			"refused MOVED 7 127.0.0.1:1", "unsubscribed b", "answer PONG")
	})
}

// corking notes how often it is corked, and that what comes does so in between.
type corking struct {
	events
	in, times int
	outside   []string
}

func (c *corking) Cork() { c.in, c.times = c.in+1, c.times+1 }

func (c *corking) Uncork() { c.in-- }

func (c *corking) Message(channel, payload []byte) {
	if c.in != 1 {
		c.outside = append(c.outside, string(payload))
	}
	c.events.Message(channel, payload)
}

func (c *corking) Answered(text string, err error) {
	if c.in != 1 {
		c.outside = append(c.outside, text)
	}
	c.events.Answered(text, err)
}

// What comes at once is handed out within one Cork, which has ended when the reader waits.
func TestCorks(t *testing.T) {
	withServer(t, func(c *Conn, e events, server net.Conn) {
		swallow(server)
		h := &corking{events: e}
		c.handler = h // nothing has come yet
		if err := c.Send(words("GET", "k"), h); err != nil {
			t.Fatal(err)
		}
		hi := ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
		say(t, server, "$1\r\nv\r\n"+hi)
		e.next(t, "answer v", "message a hi")
		synctest.Wait()
		if h.in != 0 || h.times != 1 {
			t.Errorf("corked %d times, of which %d have not ended", h.times, h.in)
		}
		say(t, server, hi[:20])
		synctest.Wait()
		if h.in != 0 {
			t.Error("it is corked while the rest of a message is awaited")
		}
		say(t, server, hi[20:]+"*oops\r\n")
		<-c.Ended()
		e.next(t, "message a hi")
		if h.in != 0 || len(h.outside) > 0 {
			t.Errorf("corked after the end: %d; handed out without: %q", h.in, h.outside)
		}
	})
}

// A server that goes on to owe an answer loses the connection; one that is only idle does not, since it
// answers when it is asked.
func TestStalledServer(t *testing.T) {
	withServer(t, func(c *Conn, e events, server net.Conn) {
		asked := bufio.NewReader(server)
		for range 20 {
			for _, want := range []string{"*1\r\n", "$4\r\n", "PING\r\n"} {
				if got, err := asked.ReadString('\n'); got != want {
					t.Fatalf("%q, %v, want %q", got, err, want)
				}
			}
			say(t, server, "+PONG\r\n")
		}
		swallow(server)
		if err := c.Send(words("GET", "k"), e); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-c.Ended()
		if took := time.Since(start); took > stall+2*checkInterval || !errors.Is(c.Err(), errStalled) {
			t.Errorf("after %v: %v", took, c.Err())
		}
		e.next(t, "answer error "+errStalled.Error())
	})
}

// A server that takes nothing: the write ends, and those who wait are told.
func TestServerThatTakesNothing(t *testing.T) {
	withServer(t, func(c *Conn, e events, _ net.Conn) {
		if err := c.Send(words("GET", "k"), e); err != nil {
			t.Fatal(err)
		}
		<-c.Ended()
		if s := <-e; !strings.HasPrefix(s, "answer error ") {
			t.Errorf("who waits hears %q", s)
		}
	})
}

func TestTooMuchWaits(t *testing.T) {
	withServer(t, func(c *Conn, e events, _ net.Conn) {
		big := strings.Repeat("x", maxOut/2)
		var err error
		sent := 0
		for ; err == nil && sent < 100; sent++ {
			err = c.Send(words("SET", "k", big), e)
		}
		if !errors.Is(err, ErrFull) || sent > 7 {
			t.Errorf("%v after %d", err, sent)
		}
	})
}

// Drain waits for the answers to what was sent, and lets nothing more be sent.
func TestDrain(t *testing.T) {
	withServer(t, func(c *Conn, e events, server net.Conn) {
		swallow(server)
		if err := c.Send(words("GET", "k"), e); err != nil {
			t.Fatal(err)
		}
		drained := make(chan struct{})
		go func() {
			c.Drain()
			close(drained)
		}()
		synctest.Wait()
		if err := c.Send(words("GET", "k"), e); !errors.Is(err, ErrClosed) {
			t.Errorf("send: %v", err)
		}
		select {
		case <-drained:
			t.Error("it did not wait")
		default:
		}
		say(t, server, "$1\r\nv\r\n")
		<-drained
		e.next(t, "answer v")
		c.Drain() // again
	})
}

// What is no answer of Redis ends the connection, and whoever waits is told.
func TestNotRedis(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 400 Bad Request\r\n", "$-2\r\n", "$99999999999\r\n", "+PONG\n", "$1\r\nvv\r\n", "*1\r\n+x\r\n",
		">0\r\n", ">3\r\n*0\r\n", ":\r\n:1\r\n", "$\r\n", "+" + strings.Repeat("x", 2*readSize),
		strings.Repeat("*1\r\n", 20), "$5\r\nab",
	} {
		withServer(t, func(c *Conn, e events, server net.Conn) {
			swallow(server)
			if err := c.Send(words("GET", "k"), e); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.WriteString(server, text)
				_ = server.Close()
			}()
			<-c.Ended()
			s := <-e
			if !strings.HasPrefix(s, "answer error ") && text != ":\r\n:1\r\n" {
				t.Errorf("%.20q: who waits hears %q", text, s)
			}
		})
	}
}
