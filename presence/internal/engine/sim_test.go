package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/sessions"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// world is a cluster in one test: any number of nodes on one store, with
// clients that follow the protocol's rules and notice when it is broken.
type world struct {
	t       *testing.T
	store   store.Store
	nodes   []*Engine
	clients []*client
	lossy   atomic.Bool // the store lost writes: who became what may be undone
}

var testSettings = core.Settings{
	Limits:         wire.Limits{IDBytes: 256, StateBytes: 16 << 10, Rooms: 100, GraceMs: 120_000},
	TTL:            30 * time.Second,
	ReaperInterval: 3 * time.Second,
	Lookback:       60 * time.Second,
	AwayAfter:      2 * time.Second,
	MaxTick:        time.Second,
	SilentAfter:    13 * time.Second,
	StoreTimeout:   2 * time.Second,
	LeaseTime:      4 * time.Second,
	Log:            slog.New(slog.DiscardHandler),
}

// newEngine starts a node.
func newEngine(ctx context.Context, s core.Settings, st store.Store, c clock.Clock, encode func([]byte, series.Change) rooms.Frame) (*Engine, error) {
	e := New(s, rooms.Options{Encode: encode, Share: func(int) rooms.SharedBody { return new(uncountedBody) }}, st, c)
	if err := e.Open(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// close ends every goroutine of the engine, however long that takes.
func (e *Engine) close() { _ = e.Shut(context.Background()) }

// inWorld runs a test in fake time, and checks in the end that nothing is left.
func inWorld(t *testing.T, nodes int, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) { runWorld(t, memstore.New(memstore.Options{}), nodes, f) })
}

func runWorld(t *testing.T, st store.Store, nodes int, f func(w *world)) {
	w := &world{t: t, store: st}
	for range nodes {
		w.addNode()
	}
	f(w)
	for _, c := range w.clients {
		c.Drop()
	}
	for _, e := range w.nodes {
		e.close()
	}
	if err := st.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

type textFrame string

func (textFrame) Namespace() string { return "/" }

func (w *world) addNode() *Engine {
	w.t.Helper()
	return w.startOn(w.store)
}

// startOn adds a node on a store of its own.
func (w *world) startOn(st store.Store) *Engine {
	w.t.Helper()
	e, err := w.start(st, clock.System{})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// start adds a node with a store and a clock of its own.
func (w *world) start(st store.Store, c clock.Clock) (*Engine, error) {
	return w.startIn(w.t.Context(), st, c)
}

// startIn is start for one that may take no longer than ctx.
func (w *world) startIn(ctx context.Context, st store.Store, c clock.Clock) (*Engine, error) {
	e, err := newEngine(ctx, testSettings, st, c, func(event []byte, _ series.Change) rooms.Frame { return textFrame(event) })
	if err == nil {
		w.nodes = append(w.nodes, e)
	}
	return e, err
}

// wireEvent is presence:event as a client decodes it.
type wireEvent struct {
	Type      string          `json:"type"`
	RoomID    string          `json:"roomId"`
	UserID    string          `json:"userId"`
	ConnID    string          `json:"connId"`
	State     json.RawMessage `json:"state"`
	Ts        int64           `json:"ts"`
	Epoch     int64           `json:"epoch"`
	Seq       int64           `json:"seq"`
	Prev      *int64          `json:"prev"`
	UserConns int             `json:"userConns"`
	Status    string          `json:"status"`
	Reason    string          `json:"reason"`
	// LastSeenMs comes with away.
	LastSeenMs int64 `json:"lastSeenMs"`
}

func (e wireEvent) String() string {
	s := fmt.Sprintf("%s %s@%s", e.Type, e.UserID, e.RoomID)
	switch {
	case e.Type == "leave":
		return s + " " + e.Reason
	case e.Status == "away":
		return s + " " + string(e.State) + " away"
	}
	return s + " " + string(e.State)
}

type wireMember struct {
	ConnID     string          `json:"connId"`
	UserID     string          `json:"userId"`
	State      json.RawMessage `json:"state"`
	LastSeenMs int64           `json:"lastSeenMs"`
	JoinedMs   int64           `json:"joinedMs"`
	Epoch      int64           `json:"epoch"`
	Status     string          `json:"status"`
}

type wireAck struct {
	OK           bool         `json:"ok"`
	Error        string       `json:"error"`
	Code         wire.Code    `json:"code"`
	RetryAfterMs int64        `json:"retryAfterMs"`
	Snapshot     []wireMember `json:"snapshot"`
	Self         struct {
		ConnID  string `json:"connId"`
		Epoch   int64  `json:"epoch"`
		GraceMs int64  `json:"graceMs"`
		Resume  string `json:"resume"`
	} `json:"self"`
	Seq       int64 `json:"seq"`
	Resumed   bool  `json:"resumed"`
	Changed   bool  `json:"changed"`
	Epoch     int64 `json:"epoch"`
	Stale     bool  `json:"stale"`
	Unchanged bool  `json:"unchanged"`

	Members []wireMember `json:"members"`
	Total   *wireTotal   `json:"total"`
	Next    string       `json:"next"`
}

// client is a socket of a node with what a client keeps: a map per room.
type client struct {
	w    *world
	name string
	node *Engine
	sock *sessions.Socket

	mu      sync.Mutex
	seen    time.Time
	heardAt atomic.Pointer[time.Time] // seen, for those who must not wait for mu
	mute    time.Time                 // nothing comes from it until then
	wake    []func()                  // called at the next packet
	rooms   map[string]*clientRoom
	log     []wireEvent // everything heard, in order
	entered map[string]bool
	gone    atomic.Bool
	told    bool   // not to come back
	format  string // of its joins: more fields
	batches int    // messages with several changes that came, and the length of the largest
	largest int
	// on, if set, makes its requests take their time.
	on func(f func())
	// watch, if set, is called with each event, after the map has it.
	watch func(e wireEvent)
}

type clientRoom struct {
	seq     int64
	members map[string]wireMember
	paged   map[string]int64 // the seq of the page that brought a member
	part    bool             // it has not read all pages
}

func (w *world) connect(e *Engine, name string) *client {
	c := &client{w: w, name: name, node: e, seen: time.Now(), rooms: make(map[string]*clientRoom), entered: make(map[string]bool)}
	c.pong()
	c.sock = e.Sockets.Connect(c)
	w.clients = append(w.clients, c)
	return c
}

func (c *client) ID() string { return "sock-" + c.name }

func (c *client) Deliver(f rooms.Frame) {
	if strings.HasPrefix(string(f.(textFrame)), `["presence:events"`) {
		c.deliverBatch(f.(textFrame))
		return
	}
	var message struct {
		name  string
		event wireEvent
	}
	if err := json.Unmarshal([]byte(f.(textFrame)), &[]any{&message.name, &message.event}); err != nil {
		c.w.t.Errorf("%s: event %s: %v", c.name, f, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, message.event)
	if strings.Contains(c.format, "true") {
		c.applyOwn(message.event)
	} else {
		c.apply(message.event)
	}
	if c.watch != nil {
		c.watch(message.event)
	}
}

// apply is what PROTOCOL asks of a client, without the leniency: what a server
// must never send is an error.
func (c *client) apply(e wireEvent) {
	r := c.rooms[e.RoomID]
	switch {
	case r == nil:
		c.w.t.Errorf("%s: %v before the ack of a join, or after a leave", c.name, e)
		return
	case e.Seq < r.seq || e.Seq == r.seq && e.Type != "join":
		c.w.t.Errorf("%s: %v has seq %d, not above %d", c.name, e, e.Seq, r.seq)
	case *e.Prev > r.seq:
		c.w.t.Errorf("%s: %v has prev %d above %d: a gap", c.name, e, *e.Prev, r.seq)
	case e.Status == "away" && e.LastSeenMs > e.Ts:
		c.w.t.Errorf("%s: %v of %d was last seen %d ms later", c.name, e, e.Ts, e.LastSeenMs-e.Ts)
	}
	before := r.seq
	r.seq = e.Seq
	if e.Type == "leave" {
		if _, ok := r.members[e.ConnID]; !ok {
			c.w.t.Errorf("%s: %v of nobody known", c.name, e)
		}
		delete(r.members, e.ConnID)
	} else {
		known, ok := r.members[e.ConnID]
		switch {
		case ok && e.Epoch < known.Epoch && !c.w.lossy.Load():
			c.w.t.Errorf("%s: %v has epoch %d, below %d", c.name, e, e.Epoch, known.Epoch)
		case ok && e.Type == "join" && e.Epoch == known.Epoch && e.Seq > before:
			c.w.t.Errorf("%s: %v joins twice with epoch %d", c.name, e, e.Epoch)
		case !ok && e.Type == "update":
			c.w.t.Errorf("%s: %v of nobody known", c.name, e)
		}
		r.members[e.ConnID] = wireMember{ConnID: e.ConnID, UserID: e.UserID, State: e.State, Epoch: e.Epoch, Status: e.Status}
	}
	conns := 0
	for _, m := range r.members {
		if m.UserID == e.UserID {
			conns++
		}
	}
	if conns != e.UserConns {
		c.w.t.Errorf("%s: %v says userConns %d, the map has %d", c.name, e, e.UserConns, conns)
	}
}

func (c *client) Enter(room string) { c.mu.Lock(); defer c.mu.Unlock(); c.entered[room] = true }

func (c *client) Exit(room string) { c.mu.Lock(); defer c.mu.Unlock(); delete(c.entered, room) }

func (c *client) LastPacket() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.seen }

func (c *client) ExpectSender(a rooms.Acker) rooms.Acker { return a }

func (c *client) Disconnect() { c.mu.Lock(); defer c.mu.Unlock(); c.told = true }

func (c *client) SetHeals() {}

func (c *client) Hold(<-chan struct{}, time.Duration) bool { return true }

func (c *client) Busy() bool { return false }

func (c *client) Ended() bool { return c.gone.Load() }

func (c *client) Address() string { return c.name }

func (c *client) isGone() bool { return c.gone.Load() }

func (c *client) isIn(room string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.isGone() && c.entered[room]
}

// pong is a packet of a healthy client.
func (c *client) pong() {
	c.mu.Lock()
	if time.Now().Before(c.mute) {
		c.mu.Unlock()
		return
	}
	now := time.Now()
	c.seen = now
	c.heardAt.Store(&now)
	wake := c.wake
	c.wake = nil
	c.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

func (c *client) OnNextPacket(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake = append(c.wake, f)
}

// rest lets time pass in which every client answers pings.
func (w *world) rest(d time.Duration) {
	for ; d > 0; d -= 10 * time.Second {
		time.Sleep(min(d, 10*time.Second))
		for _, c := range w.clients {
			c.pong()
		}
	}
}

// Drop is what the reaper does to a silent connection.
func (c *client) Drop() { c.end(store.ReasonTimeout, false) }

func (c *client) end(reason store.Reason, clean bool) {
	if !c.gone.Swap(true) {
		c.sock.Close(reason, clean)
	}
}

// ackFunc is an answerer.
type ackFunc func(ack []byte)

func (f ackFunc) Answer(ack []byte) { f(ack) }

func (f ackFunc) AnswerShared(head []byte, text rooms.SharedBody, tail []byte) bool {
	f(slices.Concat(head, textOf(text), tail))
	return true
}

func (ackFunc) Wanted() bool { return true }

// uncountedBody is a SharedBody without a memory budget.
type uncountedBody struct{ text []byte }

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Ready implements SharedBody.
func (*uncountedBody) Ready() <-chan struct{} { return closed }

// Set implements SharedBody.
func (p *uncountedBody) Set(text []byte) { p.text = text }

// Release implements SharedBody.
func (*uncountedBody) Release() {}

func textOf(shared rooms.SharedBody) []byte {
	switch shared := shared.(type) {
	case *uncountedBody:
		return shared.text
	case *countedText:
		return shared.text
	}
	return nil
}

// promise is an answer to come.
type promise struct {
	c     *client
	ack   wireAck
	asked string
	raw   string
	done  chan struct{}
}

func (p *promise) Answer(ack []byte) {
	p.raw = string(ack)
	if err := json.Unmarshal(ack, &p.ack); err != nil {
		p.c.w.t.Errorf("%s: ack %s: %v", p.c.name, ack, err)
	}
	close(p.done)
}

func (p *promise) AnswerShared(head []byte, text rooms.SharedBody, tail []byte) bool {
	p.Answer(slices.Concat(head, textOf(text), tail))
	return true
}

func (*promise) Wanted() bool { return true }

func (p *promise) wait() wireAck {
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.c.w.t.Errorf("%s: no answer within a minute to %s", p.c.name, p.asked)
	}
	return p.ack
}

// send makes a request and returns its answer to come.
func (c *client) send(event string, payload string) *promise {
	c.pong()
	p := &promise{c: c, asked: event + " " + payload, done: make(chan struct{})}
	switch event {
	case "join":
		var j struct{ RoomID string }
		_ = json.Unmarshal([]byte(payload), &j)
		c.sock.Join([]byte(payload), nil, ackFunc(func(ack []byte) {
			c.joined(j.RoomID, ack)
			p.Answer(ack)
		}))
	case "heartbeat":
		c.sock.Heartbeat([]byte(payload), p)
	case "leave":
		c.sock.Leave([]byte(payload), p)
	case "sync":
		c.sock.Sync([]byte(payload), p)
	case "members":
		c.sock.Members([]byte(payload), p)
	}
	return p
}

func (c *client) joined(room string, ack []byte) {
	var a wireAck
	if err := json.Unmarshal(ack, &a); err != nil || !a.OK {
		return
	}
	r := &clientRoom{seq: a.Seq, members: make(map[string]wireMember), paged: make(map[string]int64)}
	for _, m := range a.Snapshot {
		r.members[m.ConnID] = m
		r.paged[m.ConnID] = a.Seq
	}
	if r.part = a.Next != ""; r.part {
		c.readPage(room, r, a.Next)
	}
	if _, ok := r.members[a.Self.ConnID]; !ok {
		c.w.t.Errorf("%s: the snapshot lacks the joiner: %s", c.name, ack)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms[room] = r
}

func (c *client) join(room, user, more string) wireAck {
	return c.send("join", fmt.Sprintf(`{"roomId":%q,"userId":%q%s}`, room, user, more)).wait()
}

func (c *client) patch(patch string) wireAck {
	return c.send("heartbeat", `{"patchState":`+patch+`}`).wait()
}

// heard returns what came since the last call, one line an event.
func (c *client) heard() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := make([]string, len(c.log))
	for i, e := range c.log {
		lines[i] = e.String()
	}
	c.log = nil
	return strings.Join(lines, "\n")
}

func (c *client) view(room string) map[string]wireMember {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[room]; r != nil {
		return maps.Clone(r.members)
	}
	return nil
}

// stored is the room as the store has it.
func (w *world) stored(room string) []store.Member {
	w.t.Helper()
	loaded, err := w.store.Load(w.t.Context(), room)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(loaded.Members, func(a, b store.Member) int { return strings.Compare(a.ConnID, b.ConnID) })
	return loaded.Members
}

// agree checks I1 at rest: the store, every replica and every client in the
// room hold the same members.
func (w *world) agree(room string) {
	w.t.Helper()
	synctest.Wait()
	want := make(map[string]string)
	for _, m := range w.stored(room) {
		want[m.ConnID] = memberLine(m.UserID, m.State, m.Epoch, wire.StatusOf(m.Away))
	}
	for i, e := range w.nodes {
		r := e.Owned.Of(room)
		if r == nil {
			continue
		}
		got := make(map[string]string)
		r.Mu.Lock()
		for m := range r.Rep.All() {
			got[m.ConnID] = memberLine(m.UserID, m.State, m.Epoch, wire.StatusOf(m.Away))
		}
		r.Mu.Unlock()
		if !maps.Equal(got, want) {
			w.t.Errorf("node %d has %v of room %s, the store %v", i, got, room, want)
		}
	}
	for _, c := range w.clients {
		if !c.isIn(room) {
			continue
		}
		got := make(map[string]string)
		for id, m := range c.view(room) {
			got[id] = memberLine(m.UserID, m.State, m.Epoch, wire.Status(m.Status))
		}
		// A resume is not shown: epochs of others may be older in a client's map.
		if !maps.EqualFunc(got, want, func(a, b string) bool { return a[strings.Index(a, " "):] == b[strings.Index(b, " "):] }) {
			w.t.Errorf("client %s has %v of room %s, the store %v", c.name, got, room, want)
		}
	}
}

func memberLine(user string, state []byte, epoch int64, status wire.Status) string {
	return fmt.Sprintf("%d %s %s %s", epoch, user, state, status)
}
