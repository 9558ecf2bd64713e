package presence_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// With a prefix, clients that choose their rooms enter none of the application's.
func TestRoomPrefixKeepsClientsOutOfTheApplicationsRooms(t *testing.T) {
	for _, prefix := range []string{"", "presence/"} {
		st := memstore.New(memstore.Options{})
		t.Cleanup(func() { _ = st.Close(context.Background()) })
		o := presence.Options{Store: storetest.Shared(st), RoomPrefix: prefix, RelayEvents: []string{"chat"}}
		_, one, io := serveIO(t, o)
		_, two, _ := serveIO(t, o)
		stranger, far, near := connect(t, one, ""), connect(t, two, ""), connect(t, one, "")
		for _, w := range []*wire{stranger, far, near} {
			w.ask("presence:join", `{"roomId":"user:42","userId":"u","sender":true}`)
		}
		_ = io.Of("/").To("user:42").Emit(t.Context(), "secret")
		_ = io.Of("/").To(prefix+"user:42").Emit(t.Context(), "open")
		near.ask("chat", `{"roomId":"user:42"}`) // relays follow the prefix
		near.ask("presence:emit", `{"roomId":"user:42","event":"chat","args":[1]}`)
		near.ask("chat", `1`)
		for _, w := range []*wire{stranger, far} {
			if prefix == "" {
				if got := w.custom(); got != `["secret",null]` {
					t.Errorf("without a prefix: %s", got)
				}
			}
			if got := w.custom(); got != `["open",null]` {
				t.Errorf("prefix %q: %s", prefix, got)
			}
			for _, want := range []string{`["chat",{"roomId":"user:42"}]`, `["chat",1]`, `["chat",1]`} {
				if rest, sender := sentBy(t, w.custom()); rest != want || sender.RoomID != "user:42" {
					t.Errorf("prefix %q: %s from %+v, want %s", prefix, rest, sender, want)
				}
			}
		}
		far.ask("presence:leave", `{"roomId":"user:42"}`)
		_ = io.Of("/").To(prefix+"user:42").Emit(t.Context(), "closed")
		if got := stranger.custom(); got != `["closed",null]` {
			t.Error(got)
		}
		far.ask("presence:heartbeat", "")
		for _, e := range far.events {
			if strings.Contains(e, "closed") {
				t.Errorf("prefix %q: heard after the leave: %s", prefix, e)
			}
		}
	}
}

// An application's room and one of presence whose channels are the same hear each
// event once.
func TestRoomPrefixAndARoomOfTheSameName(t *testing.T) {
	st := memstore.New(memstore.Options{})
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	o := presence.Options{Store: storetest.Shared(st), RoomPrefix: "p:"}
	_, one, io1 := serveIO(t, o)
	_, two, io2 := serveIO(t, o)
	io2.Of("/").OnInline("enter", func(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
		s.Join("x", "p:")
		return m.Ack().Send()
	})
	_ = one
	a := connect(t, two, "")
	a.ask("enter", "")
	a.ask("presence:join", `{"roomId":"x","userId":"u"}`)
	for _, room := range []string{"x", "p:x", "p:"} {
		if err := io1.Of("/").To(room).Emit(t.Context(), "in", room); err != nil {
			t.Fatal(err)
		}
	}
	_ = io1.Of("/").To("x", "p:x").Emit(t.Context(), "end")
	for _, want := range []string{`["in","x"]`, `["in","p:x"]`, `["in","p:"]`, `["end"]`} {
		if got := a.custom(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// noAdapter is one that must not be taken.
type noAdapter struct{ socketio.Adapter }

// The cluster adapter is in place before the engine does anything: rooms that it
// opens at once are covered.
func TestInitSetsTheAdapterFirst(t *testing.T) {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer io.Close(context.Background())
	var taken error
	once := new(sync.Once)
	st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
		if c.Method == "Beat" {
			once.Do(func() { taken = io.SetAdapter(noAdapter{}) })
		}
		return storetest.Fault{}
	}})
	defer st.Close(context.Background())
	if _, err := presence.Init(t.Context(), presence.Options{IO: io, Store: storetest.Shared(st)}); err != nil {
		t.Fatal(err)
	}
	if taken == nil {
		t.Error("there was none at the first life sign")
	}
}

func TestInitTwice(t *testing.T) {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer io.Close(context.Background())
	broken := memstore.New(memstore.Options{})
	_ = broken.Close(context.Background())
	if _, err := presence.Init(t.Context(), presence.Options{IO: io, Store: storetest.Shared(broken)}); err == nil {
		t.Fatal("a store that is closed was taken")
	}
	st := memstore.New(memstore.Options{})
	defer st.Close(context.Background())
	rt, err := presence.Init(t.Context(), presence.Options{IO: io, Store: storetest.Shared(st)})
	if err != nil {
		t.Fatalf("after one that failed: %v", err)
	}
	if _, err := presence.Init(t.Context(), presence.Options{IO: io}); err == nil || !strings.Contains(err.Error(), "presence already") {
		t.Errorf("the second on a namespace: %v", err)
	}
	if _, err := presence.Init(t.Context(), presence.Options{IO: io, Namespace: "/memory"}); err != nil {
		t.Errorf("a second namespace with members of its own: %v", err)
	}
	elsewhere, err := socketio.NewServer(socketio.Config{}) // as in another process
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close(context.Background())
	if _, err := presence.Init(t.Context(), presence.Options{IO: elsewhere, Store: storetest.Shared(st)}); err != nil {
		t.Errorf("the same namespace on the same store: %v", err)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := presence.Init(t.Context(), presence.Options{IO: io}); err == nil || !strings.Contains(err.Error(), "presence already") {
		t.Errorf("after Close: %v", err)
	}
}
