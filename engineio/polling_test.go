package engineio

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPollingHandshake(t *testing.T) {
	e := newTCPEnv(t, Config{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond})
	res, body := e.request("GET", "EIO=4&transport=polling", "")
	if ct := res.Header.Get("Content-Type"); ct != "text/plain; charset=UTF-8" {
		t.Errorf("content type %q", ct)
	}
	if cc := res.Header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("cache control %q", cc)
	}
	o := parseOpen(t, body)
	if len(o.SID) != 20 || len(o.Upgrades) != 1 || o.Upgrades[0] != "websocket" ||
		o.PingInterval != 300 || o.PingTimeout != 200 || o.MaxPayload != 1_000_000 {
		t.Errorf("open packet %+v", o)
	}
	s := e.session().s
	if s.ID() != o.SID || s.Transport() != Polling {
		t.Errorf("session %q over %s", s.ID(), s.Transport())
	}
}

func TestPollingEcho(t *testing.T) {
	for name, body := range map[string]string{
		"one":    "4hello",
		"many":   "4test1\x1e4test2\x1e4test3",
		"binary": "4hello\x1ebAQIDBA==",
		"empty":  "4",
	} {
		t.Run(name, func(t *testing.T) {
			e := newTCPEnv(t, Config{})
			c := e.openPolling()
			c.wantPost(200, body)
			c.wantPoll(200, body)
		})
	}
}

func TestPollingReleasesWaitingPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		done := async(func() { c.wantPoll(200, "4a\x1e4b") })
		synctest.Wait()
		c.wantPost(200, "4a\x1e4b")
		done()
		done = async(func() { c.wantPoll(200, "4pushed\x1ebAQ==") })
		synctest.Wait()
		e.session().s.Send(NewFrame([]byte("pushed"), false), NewFrame([]byte{1}, true))
		done()
	})
}

func TestPollingBadPost(t *testing.T) {
	for name, body := range map[string]string{
		"unknown packet": "abc",
		"empty":          "",
		"empty packet":   "4a\x1e\x1e4b",
		"trailing":       "4a\x1e",
		"base64":         "b!!",
		"not UTF-8":      "4\xff",
	} {
		t.Run(name, func(t *testing.T) {
			e := newTCPEnv(t, Config{})
			c := e.openPolling()
			c.wantPost(400, body)
			e.session().wantClosed(t, ReasonParseError)
			c.wantPoll(400, "")
		})
	}
}

func TestPollingTooLargePost(t *testing.T) {
	e := newTCPEnv(t, Config{MaxPayload: 1000})
	c := e.openPolling()
	c.wantPost(200, "4"+strings.Repeat("x", 999))
	c.wantPost(413, "4"+strings.Repeat("x", 1000))
	e.session().wantClosed(t, ReasonTransportError)
	c.wantPoll(400, "")
}

func TestPollingOverlappingPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		done := async(func() { c.wantPoll(200, "1") })
		synctest.Wait()
		c.wantPoll(400, "")
		done()
		c.wantPoll(400, "")
		e.session().wantClosed(t, ReasonTransportError)
	})
}

func TestPollingOverlappingPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e := newPipeEnv(t, Config{}, onMessage(func(*Session, []byte, bool) { <-release }))
		c := e.openPolling()
		done := async(func() { c.wantPost(200, "4first") })
		synctest.Wait()
		c.wantPost(400, "4second")
		close(release)
		done()
		c.wantPoll(400, "")
		e.session().wantClosed(t, ReasonTransportError)
	})
}

func TestPollingClientCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		done := async(func() { c.wantPoll(200, "6") })
		synctest.Wait()
		c.wantPost(200, "1")
		done()
		e.session().wantClosed(t, ReasonTransportClose)
		c.wantPoll(400, "")
	})
}

// A poll that crosses with the close packet is answered as if it had been there before.
func TestPollingClientClosesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		c.wantPost(200, "1")
		e.session().wantClosed(t, ReasonTransportClose)
		c.wantPost(400, "4late")
		c.wantPoll(200, "6")
		c.wantPoll(400, "")
	})
}

func TestPollingServerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		s := e.session()
		s.s.Send(NewFrame([]byte("last"), false))
		s.s.Close(ReasonForcedClose)
		s.wantClosed(t, ReasonForcedClose)
		if err := s.s.Send(pingFrame); err != ErrClosed {
			t.Errorf("Send after Close: %v", err)
		}
		c.wantPoll(200, "4last\x1e1")
		c.wantPoll(400, "")
	})
}

func TestPollingServerClosesAndNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		e.session().s.Close(ReasonForcedClose)
		time.Sleep(closeWait + time.Second)
		c.wantPoll(400, "")
	})
}

func TestPollingAbortedPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		c := e.openPolling()
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://test/?"+c.query(), nil)
		done := async(func() {
			if _, err := e.http.Do(req); err == nil {
				t.Error("poll answered")
			}
		})
		synctest.Wait()
		cancel()
		done()
		e.session().wantClosed(t, ReasonTransportClose)
	})
}

// A batch that is over MaxPayload is split over several polls; a single larger packet is not.
func TestPollingSplitsBatches(t *testing.T) {
	e := newTCPEnv(t, Config{MaxPayload: 1000})
	c := e.openPolling()
	s := e.session().s
	x, y := strings.Repeat("x", 499), strings.Repeat("y", 2000)
	for _, text := range []string{x, x[1:], x, y, x} {
		if err := s.Send(NewFrame([]byte(text), false)); err != nil {
			t.Fatal(err)
		}
	}
	c.wantPoll(200, "4"+x+"\x1e4"+x[1:])
	c.wantPoll(200, "4"+x)
	c.wantPoll(200, "4"+y)
	c.wantPoll(200, "4"+x)
}

func TestPollingSendDuringAccept(t *testing.T) {
	e := newTCPEnv(t, Config{}, onAccept(func(r *recorder) { r.s.Send(NewFrame([]byte("hi"), false)) }))
	_, body := e.request("GET", "EIO=4&transport=polling", "")
	first, second, _ := strings.Cut(body, "\x1e")
	parseOpen(t, first)
	if second != "4hi" {
		t.Errorf("second packet %q", second)
	}
	c := e.dialWS("EIO=4&transport=websocket")
	_, data := c.recv()
	parseOpen(t, string(data))
	c.want("4hi")
}

func TestRefusals(t *testing.T) {
	e := newTCPEnv(t, Config{})
	poll := e.openPolling()
	for _, test := range []struct {
		method, query string
		status, code  int
	}{
		{"GET", "transport=polling", 400, 5},
		{"GET", "EIO=abc&transport=polling", 400, 5},
		{"GET", "EIO=3&transport=polling", 400, 5},
		{"GET", "EIO=4", 400, 0},
		{"GET", "EIO=4&transport=abc", 400, 0},
		{"GET", "EIO=4&transport=webtransport", 400, 0},
		{"POST", "EIO=4&transport=polling", 400, 2},
		{"PUT", "EIO=4&transport=polling", 400, 2},
		{"GET", "EIO=4&transport=websocket", 400, 3},
		{"GET", "EIO=4&transport=polling&sid=abc", 400, 1},
		{"GET", "EIO=4&transport=polling&sid=", 400, 1},
		{"GET", "EIO=4&transport=websocket&sid=" + poll.sid, 400, 3},
		{"PUT", poll.query(), 400, 3},
		{"GET", "EIO=4&transport=polling&j=0", 400, 3},
	} {
		res, body := e.request(test.method, test.query, "")
		var answer struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		answer.Code = -1
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Errorf("%s %s: %q: %v", test.method, test.query, body, err)
		}
		if res.StatusCode != test.status || answer.Code != test.code || answer.Message == "" {
			t.Errorf("%s %s: %d %s, want %d and code %d", test.method, test.query, res.StatusCode, body, test.status, test.code)
		}
	}
	for query, status := range map[string]int{
		"transport=websocket":               400,
		"EIO=abc&transport=websocket":       400,
		"EIO=4&transport=abc":               400,
		"EIO=4&transport=websocket&sid=abc": 400,
	} {
		if res := e.dialWS(query).res; res.StatusCode != status {
			t.Errorf("WebSocket %s: %s, want %d", query, res.Status, status)
		}
	}
}

func TestOneTransport(t *testing.T) {
	e := newTCPEnv(t, Config{Transports: []Transport{Polling}})
	_, body := e.request("GET", "EIO=4&transport=polling", "")
	if o := parseOpen(t, body); len(o.Upgrades) != 0 {
		t.Errorf("upgrades %v", o.Upgrades)
	}
	if res := e.dialWS("EIO=4&transport=websocket").res; res.StatusCode != 400 {
		t.Errorf("WebSocket: %s", res.Status)
	}
}
