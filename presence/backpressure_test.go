package presence_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/logtest"
	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// slowNet is a server whose clients read as slowly as a test wants.
type slowNet struct {
	t  *testing.T
	l  *pipenet.Listener
	io *socketio.Server
	rt *presence.Runtime

	clients []*slowClient
	readers sync.WaitGroup
}

// inSlowNet runs a test in fake time.
func inSlowNet(t *testing.T, cfg engineio.Config, o presence.Options, f func(n *slowNet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &slowNet{t: t, l: pipenet.Listen()}
		var err error
		if n.io, err = socketio.NewServer(socketio.Config{Engine: cfg}); err != nil {
			t.Fatal(err)
		}
		o.IO = n.io
		if n.rt, err = presence.Init(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		hs := &http.Server{Handler: n.io}
		var serving sync.WaitGroup
		serving.Go(func() { _ = hs.Serve(n.l) })
		f(n)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = n.rt.Close(ctx)
		_ = n.io.Close(ctx)
		_ = hs.Close()
		serving.Wait()
		for _, c := range n.clients {
			c.set(-1)
			c.conn.Close()
		}
		n.readers.Wait()
	})
}

// slowClient is a client that reads so many bytes in 50 ms.
type slowClient struct {
	n    *slowNet
	conn net.Conn
	in   chan struct{} // closed when it is in the namespace

	mu     sync.Mutex
	rate   int // 0: nothing; below: all
	events []string
	acks   []string
	ended  error
}

func (n *slowNet) connect(rate int) *slowClient {
	n.t.Helper()
	client, err := n.l.Dial(n.t.Context(), "", "")
	if err != nil {
		n.t.Fatal(err)
	}
	_, err = io.WriteString(client, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		n.t.Fatal(err)
	}
	in := bufio.NewReader(client)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		n.t.Fatalf("%v %v", res, err)
	}
	c := &slowClient{n: n, conn: client, rate: rate, in: make(chan struct{})}
	n.clients = append(n.clients, c)
	n.readers.Go(func() { c.read(in) })
	c.send("40")
	<-c.in
	return c
}

// throttled reads at the rate of a client.
type throttled struct {
	in   io.Reader
	c    *slowClient
	left int
}

func (r *throttled) Read(p []byte) (int, error) {
	r.c.mu.Lock()
	rate := r.c.rate
	r.c.mu.Unlock()
	if rate < 0 {
		return r.in.Read(p)
	}
	for r.left == 0 {
		time.Sleep(50 * time.Millisecond)
		r.c.mu.Lock()
		r.left = r.c.rate
		r.c.mu.Unlock()
	}
	if r.left < 0 {
		return r.in.Read(p)
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

func (c *slowClient) read(in io.Reader) {
	r := &throttled{in: in, c: c}
	for {
		h, err := ws.ReadHeader(r)
		var data []byte
		if err == nil {
			data = make([]byte, h.Length)
			_, err = io.ReadFull(r, data)
		}
		if err != nil || h.OpCode == ws.OpClose {
			c.mu.Lock()
			c.ended = fmt.Errorf("%v: %v", h.OpCode, err)
			c.mu.Unlock()
			c.conn.Close()
			return
		}
		switch text := string(data); {
		case text == "2":
			go c.send("3")
		case strings.HasPrefix(text, "40"):
			close(c.in)
		case strings.HasPrefix(text, "42"):
			c.mu.Lock()
			c.events = append(c.events, text[2:])
			c.mu.Unlock()
		case strings.HasPrefix(text, "43"):
			c.mu.Lock()
			c.acks = append(c.acks, text[2:])
			c.mu.Unlock()
		}
	}
}

func (c *slowClient) send(packet string) { _ = wsutil.WriteClientText(c.conn, []byte(packet)) }

func (c *slowClient) set(rate int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = rate
}

// count is how many events contain a text; whether the connection is there still.
func (c *slowClient) count(text string) (n int, alive bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if strings.Contains(e, text) {
			n++
		}
	}
	return n, c.ended == nil
}

const tenMegabit = 62_500 // bytes in 50 ms

// 9 MB of relayed events in no time cost nobody that reads 10 Mbit/s anything: their
// sender is read as fast as they read.
func TestRelaysDoNotEvictSlowMembers(t *testing.T) {
	inSlowNet(t, engineio.Config{}, presence.Options{RelayEvents: []string{"chat"}}, func(n *slowNet) {
		const events = 600
		var members []*slowClient
		for i := range 20 {
			c := n.connect(-1)
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
			members = append(members, c)
		}
		sender := n.connect(-1)
		sender.send(`420["presence:join",{"roomId":"r","userId":"fast"}]`)
		synctest.Wait()
		for _, c := range members {
			c.set(tenMegabit)
		}
		text := strings.Repeat("x", 15_000)
		begin := time.Now()
		for i := range events {
			sender.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},%d,"%s"]`, i+1, i, text))
		}
		if took := time.Since(begin); took < 3*time.Second {
			t.Errorf("9 MB were read in %v", took)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for i, c := range members {
			if got, alive := c.count(`"chat"`); got != events || !alive {
				t.Fatalf("member %d heard %d of %d events, connected: %v", i, got, events, alive)
			}
		}
		sender.mu.Lock()
		defer sender.mu.Unlock()
		for _, ack := range sender.acks[1:] {
			if !strings.HasSuffix(ack, `[{"ok":true}]`) {
				t.Fatalf("a relay was refused: %s", ack)
			}
		}
	})
}

// slowRelays is a store whose broadcasts to rooms take some time each.
type slowRelays struct{ store.Store }

func (s slowRelays) Publish(ctx context.Context, room string, payload []byte) error {
	time.Sleep(5 * time.Millisecond)
	return s.Store.Publish(ctx, room, payload)
}

// A client that sends faster than its events can be relayed is read as fast as they are,
// and none of them is refused.
func TestAFastSenderIsNotRefused(t *testing.T) {
	mem := memstore.New(memstore.Options{})
	o := presence.Options{Store: storetest.Shared(slowRelays{mem}), RelayEvents: []string{"chat"}}
	inSlowNet(t, engineio.Config{}, o, func(n *slowNet) {
		const events = 1500 // more than may wait
		member, sender := n.connect(-1), n.connect(-1)
		for i, c := range []*slowClient{member, sender} {
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
		}
		synctest.Wait()
		for i := range events {
			sender.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},%d]`, i+1, i))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, _ := member.count(`"chat"`); got != events {
			t.Errorf("%d of %d events were relayed", got, events)
		}
		sender.mu.Lock()
		defer sender.mu.Unlock()
		for _, ack := range sender.acks[1:] {
			if !strings.HasSuffix(ack, `[{"ok":true}]`) {
				t.Fatalf("a relay was refused: %s", ack)
			}
		}
	})
	if err := mem.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// Many senders with long events do not get past the bound together either.
func TestManySendersDoNotEvict(t *testing.T) {
	inSlowNet(t, engineio.Config{}, presence.Options{RelayEvents: []string{"chat"}}, func(n *slowNet) {
		slow := n.connect(-1)
		slow.send(`420["presence:join",{"roomId":"r","userId":"slow"}]`)
		var senders sync.WaitGroup
		text := strings.Repeat("x", 900_000)
		synctest.Wait()
		slow.set(tenMegabit)
		for i := range 10 {
			c := n.connect(-1)
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
			senders.Go(func() {
				for k := range 2 {
					c.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},"%s"]`, k+1, text))
				}
			})
		}
		senders.Wait()
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if got, alive := slow.count(`"chat"`); got != 20 || !alive {
			t.Errorf("heard %d of 20 events, connected: %v", got, alive)
		}
	})
}

// A member that reads nothing is closed, and its sender goes on.
func TestSenderIsNotHeldForThoseWhoDoNotRead(t *testing.T) {
	inSlowNet(t, engineio.Config{}, presence.Options{RelayEvents: []string{"chat"}}, func(n *slowNet) {
		dead, fine, sender := n.connect(-1), n.connect(-1), n.connect(-1)
		for i, c := range []*slowClient{dead, fine, sender} {
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
		}
		synctest.Wait()
		dead.set(0)
		text := strings.Repeat("x", 15_000)
		begin := time.Now()
		for i := range 400 {
			sender.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},"%s"]`, i+1, text))
		}
		time.Sleep(time.Second)
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("the sender was held for %v", took)
		}
		if got, alive := fine.count(`"chat"`); got != 400 || !alive {
			t.Errorf("heard %d of 400 events, connected: %v", got, alive)
		}
		if got := n.io.Engine().Sessions(); got != 2 {
			t.Errorf("%d connections are left", got)
		}
	})
}

// A server that stops does not wait for receivers that do not read.
func TestCloseWhileASenderIsHeld(t *testing.T) {
	inSlowNet(t, engineio.Config{StallTimeout: time.Hour}, presence.Options{RelayEvents: []string{"chat"}}, func(n *slowNet) {
		dead, sender := n.connect(-1), n.connect(-1)
		for i, c := range []*slowClient{dead, sender} {
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
		}
		synctest.Wait()
		dead.set(0)
		text := strings.Repeat("x", 15_000)
		go func() {
			for i := range 400 {
				sender.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},"%s"]`, i+1, text))
			}
		}()
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		begin := time.Now()
		if err := n.rt.Close(ctx); err != nil {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// 12 MB of patches by four members are, to those who read 10 Mbit/s, what they come to.
func TestPatchesDoNotEvictSlowMembers(t *testing.T) {
	inSlowNet(t, engineio.Config{}, presence.Options{}, func(n *slowNet) {
		const rounds = 200
		var members, writers []*slowClient
		for i := range 20 {
			c := n.connect(-1)
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"u%d"}]`, i))
			members = append(members, c)
		}
		for i := range 4 {
			c := n.connect(-1)
			c.send(fmt.Sprintf(`420["presence:join",{"roomId":"r","userId":"w%d"}]`, i))
			writers = append(writers, c)
		}
		synctest.Wait()
		for _, c := range members {
			c.set(tenMegabit)
		}
		text := strings.Repeat("x", 15_000)
		for i := range rounds {
			for _, c := range writers {
				c.send(fmt.Sprintf(`42%d["presence:heartbeat",{"patchState":{"n":%d,"x":"%s"}}]`, i+1, i, text))
			}
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for i, c := range members {
			last, alive := c.count(fmt.Sprintf(`"n":%d,`, rounds-1))
			all, _ := c.count(`"update"`)
			if last != 4 || !alive || all >= 4*rounds {
				t.Fatalf("member %d heard %d updates, %d of 4 last ones, connected: %v", i, all, last, alive)
			}
			c.wantNoGap()
		}
	})
}

// Members that come one after the other cannot be folded: a client that syncs loses
// events and knows it, any other is closed.
func TestAFloodOfMembers(t *testing.T) {
	for _, heals := range []bool{true, false} {
		t.Run(fmt.Sprint("heals ", heals), func(t *testing.T) {
			var logs logtest.Log
			cfg := engineio.Config{Logger: logs.Logger(slog.LevelInfo)}
			inSlowNet(t, cfg, presence.Options{}, func(n *slowNet) {
				const members = 400
				slow, fast := n.connect(-1), n.connect(-1)
				slow.send(`420["presence:join",{"roomId":"r","userId":"slow"}]`)
				if heals {
					slow.send(`421["presence:sync",{"roomId":"r"}]`)
				}
				synctest.Wait()
				slow.set(tenMegabit / 10)
				state := strings.Repeat("x", 16_000)
				for i := range members {
					fast.send(fmt.Sprintf(`42["presence:join",{"roomId":"r","userId":"u%d","graceMs":120000,"state":{"x":"%s"}}]`, i, state))
					fast.send(`42["presence:leave",{"roomId":"r","graceMs":120000}]`)
					synctest.Wait()
				}
				slow.set(-1)
				time.Sleep(time.Second)
				synctest.Wait()
				joins, alive := slow.count(`"join"`)
				if !heals {
					if alive || !strings.Contains(logs.String(), `level=WARN`) || !strings.Contains(logs.String(), "user=slow address=pipe") {
						t.Errorf("connected: %v; log: %s", alive, logs.String())
					}
					return
				}
				if !alive || joins >= members {
					t.Fatalf("heard %d of %d joins, connected: %v", joins, members, alive)
				}
				if !slow.sawGap() || !strings.Contains(logs.String(), "gave changes up") || !strings.Contains(logs.String(), "user=slow") {
					t.Errorf("a gap was shown: %v; log: %s", slow.sawGap(), logs.String())
				}
				slow.send(`422["presence:sync",{"roomId":"r"}]`)
				time.Sleep(time.Second)
				slow.mu.Lock()
				defer slow.mu.Unlock()
				if last := slow.acks[len(slow.acks)-1]; strings.Count(last, `"userId"`) != members+1 {
					t.Errorf("the sync has %d members: %.200s", strings.Count(last, `"userId"`), last)
				}
			})
		})
	}
}

// sawGap reports whether an event named one before it that had not come.
func (c *slowClient) sawGap() (gap bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var at int64 // that of the join's acknowledgement
	_, _ = fmt.Sscanf(c.acks[0][strings.Index(c.acks[0], `"seq":`):], `"seq":%d`, &at)
	for _, e := range c.events {
		seq, prev := numbersOf(e)
		gap = gap || prev > at
		at = seq
	}
	return gap
}

func numbersOf(event string) (seq, prev int64) {
	if i := strings.Index(event, `"seq":`); i >= 0 {
		_, _ = fmt.Sscanf(event[i:], `"seq":%d,"prev":%d`, &seq, &prev)
	}
	return seq, prev
}

// wantNoGap checks that each event names the one before it.
func (c *slowClient) wantNoGap() {
	c.n.t.Helper()
	at := int64(0)
	for _, e := range c.events {
		seq, prev := numbersOf(e)
		if at > 0 && prev > at || seq <= at {
			c.n.t.Fatalf("event %.80s… with seq %d and prev %d behind %d", e, seq, prev, at)
		}
		at = seq
	}
}
