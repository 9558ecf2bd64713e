package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// serveWith is serve with a configuration of the transports.
func serveWith(t *testing.T, cfg engineio.Config, o presence.Options) (*socketio.Server, string) {
	t.Helper()
	server, err := socketio.NewServer(socketio.Config{Engine: cfg})
	if err != nil {
		t.Fatal(err)
	}
	o.IO, o.DrainPeriod = server, -1
	if _, err = presence.Init(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return server, listenOn(t, server)
}

// fill leaves n members with that state in a room: one client comes and goes, each
// time with a grace.
func fill(w *wire, room string, n int, state string) {
	w.t.Helper()
	for i := range n {
		w.send(fmt.Sprintf(`42["presence:join",{"roomId":%q,"userId":"u%d","graceMs":120000,"state":%s}]`, room, i, state))
		if ack := w.ask("presence:leave", fmt.Sprintf(`{"roomId":%q,"graceMs":120000}`, room)); ack != `{"ok":true}` {
			w.t.Fatalf("leave: %s", ack)
		}
	}
}

// members is how many there are in the answer to a join or a sync.
func members(t *testing.T, ack string) int {
	t.Helper()
	var a struct {
		OK       bool
		Snapshot []json.RawMessage
	}
	if err := json.Unmarshal([]byte(ack), &a); err != nil || !a.OK {
		t.Fatalf("%v: %.200s", err, ack)
	}
	return len(a.Snapshot)
}

// A room whose snapshot is larger than the bound of a queue is joined and synced as
// any other, by those who ask for senders too.
func TestARoomAboveTheQueueBound(t *testing.T) {
	server, url := serveWith(t, engineio.Config{}, presence.Options{})
	const n = 257
	state := `{"x":"` + strings.Repeat("x", 16_300) + `"}`
	fill(connect(t, url, ""), "r", n, state)
	a, b := connect(t, url, ""), connect(t, url, "")
	for i := range 2 {
		ack := a.ask("presence:join", `{"roomId":"r","userId":"ann"}`)
		if members(t, ack) != n+1 || len(ack) < 4<<20 {
			t.Errorf("join %d: %d members in %d bytes", i, members(t, ack), len(ack))
		}
	}
	if ack := b.ask("presence:join", `{"roomId":"r","userId":"bob","sender":true}`); members(t, ack) != n+2 || !strings.Contains(ack[len(ack)-10:], "}") {
		t.Errorf("join: %.300s", ack)
	}
	// Several syncs at once are answered one after the other.
	for i := range 3 {
		a.send(fmt.Sprintf(`42%d["presence:sync",{"roomId":"r"}]`, 500+i))
	}
	for i := range 3 {
		if ack := a.next(fmt.Sprintf("43%d", 500+i)); members(t, ack[1:len(ack)-1]) != n+2 {
			t.Errorf("sync %d: %.200s", i, ack)
		}
	}
	b.ask("presence:heartbeat", `{"patchState":{"n":1}}`)
	for e := a.event(); !strings.Contains(e, `"n":1`); e = a.event() {
	}
	if server.Engine().Sessions() != 3 {
		t.Errorf("%d connections are left", server.Engine().Sessions())
	}
}

// scaled has a bound that a few states of 16 KB pass.
var scaled = engineio.Config{MaxPayload: 60_000, MaxQueueBytes: 240_000, MaxLargeBytes: 1 << 20}

// Whatever makes a message above the bound: it reaches a client that reads.
func TestEveryLargeMessagePasses(t *testing.T) {
	server, url := serveWith(t, scaled, presence.Options{RelayEvents: []string{"chat"}, MaxStateBytes: 55_000})
	a, b := connect(t, url, ""), connect(t, url, "")
	a.ask("presence:join", `{"roomId":"r","userId":"ann"}`)
	b.ask("presence:join", `{"roomId":"r","userId":"bob"}`)
	ns, long := server.Of("/"), strings.Repeat("x", 300_000)
	heard := func() { // by both: a second one would be refused to who has not taken the first
		t.Helper()
		for _, w := range []*wire{a, b} {
			for e := w.event(); len(e) < len(long); e = w.event() {
			}
			w.passed()
		}
	}
	if err := ns.To("r").Emit(t.Context(), "broadcast", long); err != nil {
		t.Fatal(err)
	}
	heard()
	for s := range ns.InRoom("r") {
		if err := s.Emit("direct", long); err != nil {
			t.Fatal(err)
		}
	}
	heard()
	if err := ns.To("r").Emit(t.Context(), "attached", make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	b.next("451-")
	if server.Engine().Sessions() != 2 {
		t.Errorf("%d connections are left", server.Engine().Sessions())
	}
}

// passed waits until the server counts nothing of what was received as waiting any more. It
// does that after it was written, and before it writes what follows.
func (w *wire) passed() {
	w.t.Helper()
	w.ask("presence:heartbeat", "")
}

// Many rooms joined at once are more than a queue holds, too.
func TestManyRoomsJoinedAtOnce(t *testing.T) {
	server, url := serveWith(t, scaled, presence.Options{})
	state := `{"x":"` + strings.Repeat("x", 16_000) + `"}`
	const rooms = 20
	a, b := connect(t, url, ""), connect(t, url, "")
	for i := range rooms {
		fill(a, fmt.Sprint("r", i), 2, state)
	}
	for i := range rooms {
		b.send(fmt.Sprintf(`42%d["presence:join",{"roomId":"r%d","userId":"bob"}]`, 300+i, i))
	}
	for got := 0; got < rooms; got++ {
		if ack := b.next("43"); !strings.Contains(ack, `"ok":true`) {
			t.Errorf("%.200s", ack)
		}
	}
	if server.Engine().Sessions() != 2 {
		t.Errorf("%d connections are left", server.Engine().Sessions())
	}
}

// A packet for which there is no room is refused to who emits it, and nobody is
// closed for it.
func TestEmitWithoutRoomIsRefused(t *testing.T) {
	server, url := serveWith(t, scaled, presence.Options{})
	w := connect(t, url, "")
	w.ask("presence:join", `{"roomId":"r","userId":"ann"}`)
	var s *socketio.Socket
	for s = range server.Of("/").All() {
	}
	long := strings.Repeat("x", 16<<20) // more than a connection takes at once, larger than the budget
	if err := s.Emit("first", long); err != nil {
		t.Fatalf("alone: %v", err)
	}
	if err := s.Emit("second", strings.Repeat("x", 300_000)); err != socketio.ErrTooLarge {
		t.Errorf("a second one: %v", err)
	}
	if err := server.Of("/").To("r").Emit(t.Context(), "third", strings.Repeat("x", 300_000)); err != socketio.ErrTooLarge {
		t.Errorf("a broadcast: %v", err)
	}
	if err := s.Emit("small", 1); err != nil {
		t.Errorf("a small one: %v", err)
	}
	for e := w.event(); !strings.HasPrefix(e, `["small"`); e = w.event() {
	}
	if err := s.Emit("later", strings.Repeat("x", 300_000)); err != nil {
		t.Errorf("later: %v", err)
	}
}

// A server that takes messages above what may wait for a client takes them when
// nothing waits, whatever they are.
func TestRequestsAboveTheirQueueBound(t *testing.T) {
	const size = 5 << 20
	server, url := serveWith(t, engineio.Config{MaxPayload: 2 * size},
		presence.Options{RelayEvents: []string{"chat"}, MaxStateBytes: 2 * size})
	a, b := connect(t, url, ""), connect(t, url, "")
	a.ask("presence:join", `{"roomId":"r","userId":"ann"}`)
	b.ask("presence:join", `{"roomId":"r","userId":"bob"}`)
	long := `"` + strings.Repeat("x", size) + `"`
	heard := func() {
		t.Helper()
		for e := b.event(); len(e) < size; e = b.event() {
		}
		a.passed()
		b.passed()
	}
	for _, request := range [][2]string{
		{"chat", long},
		{"presence:emit", `{"roomId":"r","event":"chat","args":[` + long + `]}`},
		{"presence:join", `{"roomId":"r","userId":"ann","state":{"x":` + long + `}}`},
		{"presence:heartbeat", `{"patchState":{"x":1,"y":` + long + `}}`},
	} {
		if ack := a.ask(request[0], request[1]); !strings.HasPrefix(ack, `{"ok":true`) {
			t.Fatalf("%s: %.200s", request[0], ack)
		}
		heard()
	}
	a.send(`451-77["chat",{"_placeholder":true,"num":0}]`)
	if err := wsutil.WriteClientBinary(a.conn, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if ack := a.next("4377"); ack != `[{"ok":true}]` {
		t.Errorf("attachment: %.200s", ack)
	}
	b.next("451-")
	if server.Engine().Sessions() != 2 {
		t.Errorf("%d connections are left", server.Engine().Sessions())
	}
}
