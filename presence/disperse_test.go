package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
	"github.com/realtime-ai/realtime-message-go/internal/wiretest"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// node is a server with presence that is reached through a network in memory.
type node struct {
	*pipenet.Listener
	t  *testing.T
	rt *presence.Runtime
}

// inNodes runs a test in fake time on nodes that share a store.
func inNodes(t *testing.T, n int, o presence.Options, f func(nodes []*node)) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(memstore.Options{})
		t.Cleanup(func() {
			if err := st.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		var nodes []*node
		for range n {
			nodes = append(nodes, newNode(t, o, st))
		}
		f(nodes)
	})
}

func newNode(t *testing.T, o presence.Options, st *memstore.Store) *node {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	o.IO, o.Store = server, storetest.Shared(st)
	rt, err := presence.Init(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	l := pipenet.Listen()
	web := &http.Server{Handler: server}
	var serving sync.WaitGroup
	serving.Go(func() { _ = web.Serve(l) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
		_ = web.Close()
		serving.Wait()
	})
	return &node{l, t, rt}
}

// visitor is a client that reads all the time.
type visitor struct {
	t    *testing.T
	conn net.Conn
	more chan struct{} // has a token when something came

	mu       sync.Mutex
	frames   []string
	asked    int
	code     ws.StatusCode
	closedAt time.Time
}

func (n *node) visit() *visitor {
	n.t.Helper()
	v := &visitor{t: n.t, conn: wiretest.Dial(n.t, n.Dial, "http://test"), more: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(v.read)
	n.t.Cleanup(func() {
		_ = v.conn.Close()
		reading.Wait()
	})
	v.send("40")
	v.await("40")
	return v
}

func (v *visitor) read() {
	for {
		frame, err := wsutil.ReadServerText(v.conn)
		v.mu.Lock()
		if err != nil {
			v.closedAt = time.Now()
			if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
				v.code = closed.Code
			}
		}
		v.frames = append(v.frames, string(frame))
		v.mu.Unlock()
		select {
		case v.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (v *visitor) send(packet string) {
	v.t.Helper()
	if err := wsutil.WriteClientText(v.conn, []byte(packet)); err != nil {
		v.t.Fatal(err)
	}
}

// await returns the frame that begins with prefix.
func (v *visitor) await(prefix string) string {
	v.t.Helper()
	for end := time.After(deadline); ; {
		v.mu.Lock()
		i := slices.IndexFunc(v.frames, func(f string) bool { return strings.HasPrefix(f, prefix) })
		frames := v.frames
		v.mu.Unlock()
		if i >= 0 {
			return frames[i]
		}
		select {
		case <-v.more:
		case <-end:
			v.t.Fatalf("no %s in %q", prefix, frames)
		}
	}
}

// answer is what acknowledgements hold.
type answer struct {
	OK, Changed, Resumed bool
	Code                 string
	Self                 struct{ ConnID, Resume string }
}

func (v *visitor) ask(event, payload string) (a answer) {
	v.t.Helper()
	v.asked++
	v.send(fmt.Sprintf(`42%d["presence:%s",%s]`, v.asked, event, payload))
	id := fmt.Sprintf("43%d", v.asked)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(v.await(id), id)), &[]any{&a}); err != nil {
		v.t.Fatal(err)
	}
	return a
}

func (v *visitor) closed() (time.Time, ws.StatusCode) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.closedAt, v.code
}

// history is the events of a room as a Runtime saw them.
type history struct {
	mu     sync.Mutex
	events []presence.Event
}

func (n *node) watch(room string) *history {
	n.t.Helper()
	h := new(history)
	_, _, err := n.rt.Subscribe(context.Background(), room, func(e presence.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return h
}

// of returns the events of one kind, by user.
func (h *history) of(kind presence.EventType) map[string]presence.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := make(map[string]presence.Event)
	for _, e := range h.events {
		if e.Type == kind {
			events[e.UserID] = e
		}
	}
	return events
}

const visitors = 10

// fill brings visitors to a node: those with an even number are resumable.
func (n *node) fill(graceMs int) (list []*visitor) {
	n.t.Helper()
	for i := range visitors {
		v := n.visit()
		payload := fmt.Sprintf(`{"roomId":"r","userId":"u%d"}`, i)
		if i%2 == 0 {
			payload = fmt.Sprintf(`{"roomId":"r","userId":"u%d","graceMs":%d}`, i, graceMs)
		}
		if a := v.ask("join", payload); !a.OK {
			n.t.Fatal(a)
		}
		list = append(list, v)
	}
	return list
}

// Connections close one after the other; those that are still open work,
// members leave and graces begin as theirs closes, and the graces end when they
// should, whichever node sees to that.
func TestCloseIsStaggered(t *testing.T) {
	inNodes(t, 2, presence.Options{DrainPeriod: 5 * time.Second}, func(nodes []*node) {
		time.Sleep(15 * time.Second) // for long enough to judge each other
		a, b := nodes[0], nodes[1]
		list, seen := a.fill(3000), b.watch("r")
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- a.rt.Close(context.Background()) }()

		time.Sleep(2100 * time.Millisecond)
		open := 0
		for i, v := range list {
			if at, _ := v.closed(); !at.IsZero() {
				continue
			}
			open++
			if got := v.ask("heartbeat", `{"roomId":"r"}`); !got.OK {
				t.Errorf("heartbeat of %d: %+v", i, got)
			}
			if got := v.ask("heartbeat", `{"roomId":"r","patchState":{"x":1}}`); !got.Changed {
				t.Errorf("patch of %d: %+v", i, got)
			}
			if got := v.ask("join", `{"roomId":"s","userId":"u"}`); got.Code != "shutting_down" {
				t.Errorf("join of %d: %+v", i, got)
			}
		}
		if open != visitors/2 {
			t.Errorf("%d are open after 2.1 s of 5, want %d", open, visitors/2)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 4500*time.Millisecond || took > 4600*time.Millisecond {
			t.Errorf("Close took %v, want 4.5 s for the last of %d in 5 s", took, visitors)
		}
		time.Sleep(5 * time.Second)

		var after []time.Duration
		leaves := seen.of(presence.EventLeave)
		for i, v := range list {
			at, code := v.closed()
			after = append(after, at.Sub(begin))
			if code != ws.StatusGoingAway {
				t.Errorf("%d closed with %d", i, code)
			}
			want, late := time.Duration(0), 50*time.Millisecond
			if i%2 == 0 { // the other node may see to it, at its next life sign
				want, late = 3*time.Second, 1100*time.Millisecond
			}
			e, ok := leaves[fmt.Sprintf("u%d", i)]
			if d := e.Time.Sub(at); !ok || d < want-10*time.Millisecond || d > want+late || e.Reason != presence.ReasonShutdown {
				t.Errorf("%d left %v after its connection closed (%s), want %v", i, d, e.Reason, want)
			}
		}
		slices.Sort(after)
		for i, d := range after {
			if want := time.Duration(i) * 500 * time.Millisecond; d < want || d > want+50*time.Millisecond {
				t.Errorf("closed after %v, want 500 ms apart", after)
				break
			}
		}
	})
}

// Clients that come back elsewhere while the node still drains resume there:
// nobody sees anything, and the node has nothing to leave behind.
func TestResumeDuringAStaggeredClose(t *testing.T) {
	inNodes(t, 2, presence.Options{DrainPeriod: 5 * time.Second}, func(nodes []*node) {
		a, b := nodes[0], nodes[1]
		seen := b.watch("r")
		v := a.visit()
		token := v.ask("join", `{"roomId":"r","userId":"ann","graceMs":30000}`).Self.Resume
		a.fill(60_000)
		done := make(chan error, 1)
		go func() { done <- a.rt.Close(context.Background()) }()
		for at, _ := v.closed(); at.IsZero(); at, _ = v.closed() {
			time.Sleep(10 * time.Millisecond)
		}
		got := b.visit().ask("join", `{"roomId":"r","userId":"ann","graceMs":30000,"resume":"`+token+`"}`)
		if !got.Resumed {
			t.Errorf("%+v", got)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if e, ok := seen.of(presence.EventLeave)["ann"]; ok {
			t.Errorf("she left: %+v", e)
		}
	})
}

// A Close that has less time than the DrainPeriod takes half of it for the
// connections: the other half is the store's.
func TestCloseWithLittleTime(t *testing.T) {
	inNodes(t, 2, presence.Options{DrainPeriod: time.Minute}, func(nodes []*node) {
		a, b := nodes[0], nodes[1]
		list, seen := a.fill(0), b.watch("r")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		if err := a.rt.Close(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 900*time.Millisecond || took > time.Second {
			t.Errorf("Close took %v, want nearly half of 2 s", took)
		}
		time.Sleep(time.Second)
		for i, v := range list {
			if at, _ := v.closed(); at.IsZero() {
				t.Errorf("%d is still open", i)
			}
		}
		if left := seen.of(presence.EventLeave); len(left) != visitors {
			t.Errorf("%d left, want all %d", len(left), visitors)
		}
	})
}

// A Close that is called off closes what is left at once.
func TestCloseCalledOff(t *testing.T) {
	inNodes(t, 1, presence.Options{DrainPeriod: time.Minute}, func(nodes []*node) {
		a := nodes[0]
		list := a.fill(0)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if err := a.rt.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close returned %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("Close took %v after it was called off", took-time.Second)
		}
		time.Sleep(time.Second)
		for i, v := range list {
			if at, code := v.closed(); code != ws.StatusGoingAway {
				t.Errorf("%d closed at %v with %d", i, at, code)
			}
		}
	})
}

// A Close waits for nobody who has gone by himself, and closes those too that
// came while it was under way.
func TestCloseWithComingsAndGoings(t *testing.T) {
	inNodes(t, 1, presence.Options{DrainPeriod: 10 * time.Second}, func(nodes []*node) {
		a := nodes[0]
		list := a.fill(0)
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- a.rt.Close(context.Background()) }()
		time.Sleep(1500 * time.Millisecond)
		late := a.visit()
		for _, v := range list {
			_ = v.conn.Close()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, code := late.closed(); code != ws.StatusGoingAway {
			t.Errorf("who came late is closed with %d", code)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

// Without a DrainPeriod all connections close at the same moment.
func TestCloseAtOnce(t *testing.T) {
	inNodes(t, 1, presence.Options{DrainPeriod: -1}, func(nodes []*node) {
		a := nodes[0]
		list := a.fill(1000)
		begin := time.Now()
		if err := a.rt.Close(context.Background()); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		time.Sleep(time.Second)
		for i, v := range list {
			if at, code := v.closed(); at.Sub(begin) > 10*time.Millisecond || code != ws.StatusGoingAway {
				t.Errorf("%d closed %v later with %d", i, at.Sub(begin), code)
			}
		}
	})
}
