package presence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Relayed events behind a join take effect behind it, in the order sent.
func TestRelayBehindAJoin(t *testing.T) {
	begin := make(chan struct{})
	_, url := serve(t, presence.Options{
		RelayEvents: []string{"chat"},
		Authorize: func(_ context.Context, s *socketio.Socket, r presence.JoinRequest) error {
			if string(s.Handshake().Auth) != `{"slow":1}` || r.RoomID == "s" {
				return nil
			}
			<-begin
			if r.RoomID == "closed" {
				return errors.New("not for everybody")
			}
			return nil
		},
	})
	a, b := connect(t, url, `{"slow":1}`), connect(t, url, "")
	for _, room := range []string{"r", "s", "closed"} {
		b.ask("presence:join", `{"roomId":"`+room+`","userId":"b"}`)
	}
	a.ask("presence:join", `{"roomId":"s","userId":"a"}`)
	for i, packet := range []string{
		`["presence:join",{"roomId":"r","userId":"a"}]`,
		`["presence:join",{"roomId":"closed","userId":"a"}]`,
		`["chat",{"roomId":"r","n":1}]`,
		`["chat",{"n":2}]`,
		`["chat",{"roomId":"closed","n":3}]`,
		`["chat",{"roomId":"s","n":4}]`,
		`["presence:leave",{"roomId":"r"}]`,
		`["chat",{"roomId":"r","n":5}]`,
		`["chat",{"roomId":"s","n":6}]`,
	} {
		a.send(fmt.Sprintf("42%d%s", 10+i, packet))
	}
	if got := a.code("presence:sync", `{"roomId":"x"}`); got != "not_joined" { // all were read
		t.Error(got)
	}
	close(begin)
	var heard []string
	for len(heard) < 4 {
		if e := b.event(); strings.HasPrefix(e, `["chat"`) {
			heard = append(heard, e)
		}
	}
	want := `["chat",{"roomId":"r","n":1}] ["chat",{"n":2}] ["chat",{"roomId":"s","n":4}] ["chat",{"roomId":"s","n":6}]`
	if got := strings.Join(heard, " "); got != want {
		t.Errorf("b heard\n%s\nwant\n%s", got, want)
	}
}

// hangingRelays is a store that never answers a broadcast to a room.
func hangingRelays(t *testing.T) *storetest.Faulty {
	st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
		if c.Method == "Publish" {
			return storetest.Fault{Kind: storetest.Hang}
		}
		return storetest.Fault{}
	}})
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return st
}

// A relay is refused in time, however many wait before it: those whose time is
// up at their turn do not ask the store.
func TestRelayIsRefusedInTime(t *testing.T) {
	const events = 30 // a second each: more than the test waits
	st := hangingRelays(t)
	_, url := serve(t, presence.Options{Store: storetest.Shared(st), RelayEvents: []string{"chat"}, StoreTimeout: time.Second})
	a := connect(t, url, "")
	a.ask("presence:join", `{"roomId":"r","userId":"a"}`)
	for i := range events {
		a.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"}]`, 100+i))
	}
	if ack := a.next(fmt.Sprintf("43%d", 100+events-1)); !strings.Contains(ack, `"unavailable"`) {
		t.Errorf("the last one was answered %s", ack)
	}
}

// gatedRelays is a store whose broadcasts to rooms wait at a gate.
type gatedRelays struct {
	store.Store
	published atomic.Int32
	gate      chan struct{}
}

func (s *gatedRelays) Publish(ctx context.Context, room string, payload []byte) error {
	s.published.Add(1)
	select {
	case <-s.gate:
		return s.Store.Publish(ctx, room, payload)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// What waits to be relayed for a client that has gone is dropped at its turn.
func TestRelaysEndWithTheirSender(t *testing.T) {
	mem := memstore.New(memstore.Options{})
	st := &gatedRelays{Store: mem, gate: make(chan struct{})}
	t.Cleanup(func() {
		if err := mem.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	_, url := serve(t, presence.Options{Store: storetest.Shared(st), RelayEvents: []string{"chat"}, StoreTimeout: deadline})
	a, b := connect(t, url, ""), connect(t, url, "")
	for _, w := range []*wire{a, b} {
		w.ask("presence:join", `{"roomId":"r","userId":"u"}`)
	}
	for range 50 {
		a.send(`42["chat",{"roomId":"r"}]`)
	}
	a.ask("presence:heartbeat", `{"roomId":"r"}`) // all were read
	a.conn.Close()
	for !strings.Contains(b.event(), `"type":"leave"`) {
	}
	close(st.gate)
	for range 50 { // time enough for those that waited, if they were not dropped
		b.ask("presence:heartbeat", `{"roomId":"r","patchState":{}}`)
	}
	if n := st.published.Load(); n != 1 {
		t.Errorf("%d events were relayed, all but one for a client that had gone", n)
	}
}

// What a socket has waiting to be relayed is bounded in bytes.
func TestWaitingRelaysAreBoundedInBytes(t *testing.T) {
	st := hangingRelays(t)
	_, url := serve(t, presence.Options{Store: storetest.Shared(st), RelayEvents: []string{"chat"}, StoreTimeout: 4 * time.Second})
	a := connect(t, url, "")
	a.ask("presence:join", `{"roomId":"r","userId":"a"}`)
	text := strings.Repeat("x", 900_000)
	for i := range 5 {
		a.send(fmt.Sprintf(`42%d["chat",{"roomId":"r"},"%s"]`, 100+i, text))
	}
	if ack := a.next("43"); !strings.HasPrefix(ack, "104") || !strings.Contains(ack, `"rate_limited"`) {
		t.Errorf("the first answer is %s", ack)
	}
	for range 4 {
		a.next("43")
	}
	if got := a.code("chat", `{"roomId":"r"},"`+text+`"`); got != "unavailable" {
		t.Errorf("with nothing waiting: %s", got)
	}
}
