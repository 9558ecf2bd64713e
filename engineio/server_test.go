package engineio

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

func TestServerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		w, poll, idle := e.openWS(), e.openPolling(), e.openPolling()
		all := []*recorder{e.session(), e.session(), e.session()}
		for _, s := range all {
			s.s.Send(NewFrame([]byte("last"), false))
		}
		w.want("4last")
		poll.wantPoll(200, "4last")
		polled := async(func() { poll.wantPoll(200, "1") })
		synctest.Wait()
		if n := e.srv.Sessions(); n != 3 {
			t.Errorf("%d sessions", n)
		}

		start := time.Now()
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- e.srv.Close(context.Background()) }()
		}
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("a Close did not wait for the clients")
		}
		w.wantClose(ws.StatusGoingAway)
		polled()
		for _, s := range all {
			s.wantClosed(t, ReasonShutdown)
		}
		idle.wantPoll(200, "4last\x1e1")
		for range 2 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		if err := e.srv.Close(context.Background()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if res, _ := e.request("GET", "EIO=4&transport=polling", ""); res.StatusCode != 503 {
			t.Errorf("handshake after Close: %s", res.Status)
		}
	})
}

// A client that has closed by itself is not waited for.
func TestServerCloseAfterClientClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		e.openPolling().wantPost(200, "1")
		e.session().wantClosed(t, ReasonTransportClose)
		start := time.Now()
		if err := e.srv.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestServerCloseCutsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, Config{})
		e.openWS() // does not read
		s := e.session()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		e.closeErr = context.DeadlineExceeded // of every Close after that, too
		if err := e.srv.Close(ctx); !errors.Is(err, e.closeErr) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		s.wantClosed(t, ReasonShutdown)
	})
}

// Close meets sessions in every state; each handler hears of it once, and nothing is left behind.
func TestServerCloseUnderFire(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		const n = 12
		e := newEnv(t, Config{})
		var clients sync.WaitGroup
		var busy sync.WaitGroup
		busy.Add(n)
		for i := range n {
			var w *wsClient
			if i%2 == 0 {
				w = e.openWS()
			} else {
				w = e.openPolling().probeUpgrade()
				w.send("5")
			}
			frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("4echo"))))
			clients.Go(func() {
				defer w.conn.Close()
				started := sync.OnceFunc(busy.Done)
				defer started()
				for {
					w.conn.Write(frame) // fails at the end, and so does reading
					h, err := ws.ReadHeader(w.br)
					if err != nil || h.OpCode == ws.OpClose {
						return
					}
					w.br.Discard(int(h.Length))
					started()
				}
			})
		}
		busy.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := e.srv.Close(ctx); err != nil {
			t.Error(err)
		}
		clients.Wait()
		for range n {
			e.session().wantClosed(t, ReasonShutdown)
		}
	})
}

func TestServerRefuse(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	e.srv.Refuse()
	if res, _ := e.request("GET", "EIO=4&transport=polling", ""); res.StatusCode != 503 {
		t.Errorf("polling: %s", res.Status)
	}
	if res := e.dialWS("EIO=4&transport=websocket").res; res.StatusCode != 503 {
		t.Errorf("WebSocket: %s", res.Status)
	}
	c.send("4on")
	c.want("4on")
}

func TestRequest(t *testing.T) {
	e := newTCPEnv(t, Config{})
	for transport, open := range map[string]func(query string, header ...string){
		"websocket": func(query string, header ...string) { e.dialWS(query, header...) },
		"polling":   func(query string, header ...string) { e.request("GET", query, "", header...) },
	} {
		query := "EIO=4&transport=" + transport + "&token=a%0Ab&x=1&x=2"
		open(query, "Cookie", "a=b; c=d", "X-Empty", "")
		s := e.session().s
		r := s.Request()
		want, _ := url.ParseQuery(query)
		if !reflect.DeepEqual(r.Query, want) {
			t.Errorf("query %v", r.Query)
		}
		if r.Header.Get("Cookie") != "a=b; c=d" || len(r.Header["X-Empty"]) != 1 || r.Header.Get("Upgrade") != "" {
			t.Errorf("header %v", r.Header)
		}
		if r.Host != "test" || !strings.HasPrefix(r.RemoteAddr, "127.0.0.1:") {
			t.Errorf("host %q, address %q", r.Host, r.RemoteAddr)
		}
		r.Header.Set("Cookie", "changed")
		if s.Request().Header.Get("Cookie") != "a=b; c=d" {
			t.Error("the header is shared")
		}
	}
}

func TestSessionIDsDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 10_000 {
		id := newID()
		if len(id) != idLen || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestConfig(t *testing.T) {
	for field, cfg := range map[string]Config{
		"PingInterval":    {PingInterval: -1},
		"PingTimeout":     {PingTimeout: time.Microsecond},
		"UpgradeTimeout":  {UpgradeTimeout: -1},
		"StallTimeout":    {StallTimeout: -1},
		"MaxPayload":      {MaxPayload: -1},
		"MaxQueueBytes":   {MaxQueueBytes: 100, MaxPayload: 1000},
		"at most 576h":    {PingInterval: 400 * time.Hour, PingTimeout: 400 * time.Hour},
		"and PingTimeout": {PingTimeout: 1<<63 - 1, PingInterval: 1<<63 - 1},
		"to 1073741824":   {MaxPayload: 1 << 40},
		"Transports":      {Transports: []Transport{"pigeon"}},
		"AllowedOrigins":  {AllowedOrigins: []string{"app.example"}},
		"AllowedHosts":    {AllowedHosts: []string{"https://app.example"}},
	} {
		if _, err := NewServer(cfg, nil); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	srv, err := NewServer(Config{AllowedOrigins: []string{"https://app.example"}}, func(*Session) Handler { return silent{} })
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close(t.Context())
	if cfg := srv.Config(); cfg.PingInterval != 25*time.Second || cfg.MaxPayload != 1_000_000 || cfg.MaxQueueBytes != 4<<20 || len(cfg.Transports) != 2 {
		t.Errorf("defaults %+v", cfg)
	}
}
