package presence_test

import (
	"context"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// interrupted is a store whose subscriptions are lost as soon as they are in place.
type interrupted struct{ store.Store }

func (s interrupted) SubscribeNodes(ctx context.Context, r store.Receiver) (store.Subscription, error) {
	sub, err := s.Store.SubscribeNodes(ctx, r)
	r.HandleInterrupt("", true)
	return sub, err
}

func (s interrupted) Subscribe(ctx context.Context, room string, r store.Receiver) (store.Subscription, error) {
	sub, err := s.Store.Subscribe(ctx, room, r)
	r.HandleInterrupt(room, true)
	return sub, err
}

// The store says that it may have lost writes before a server has done anything: it
// starts all the same.
func TestANoticeOfALossAtTheStart(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	st := memstore.New(memstore.Options{})
	defer st.Close(t.Context())
	url := serveOn(t, server, presence.Options{Store: storetest.Shared(interrupted{st})})
	if ack := connect(t, url, "").ask("presence:join", `{"roomId":"r","userId":"u"}`); !strings.HasPrefix(ack, `{"ok":true`) {
		t.Errorf("a join: %s", ack)
	}
}

// deafStore has no channel of all nodes.
type deafStore struct{ store.Store }

func (s deafStore) SubscribeNodes(context.Context, store.Receiver) (store.Subscription, error) {
	return nil, store.ErrUnavailable
}

// A server that cannot start leaves no life sign behind, for others to find it dead.
func TestAServerThatCannotStartLeavesNothing(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	st := memstore.New(memstore.Options{})
	defer st.Close(t.Context())
	if _, err := presence.Init(t.Context(), presence.Options{IO: server, Store: storetest.Shared(deafStore{st})}); err == nil {
		t.Fatal("it started")
	}
	if keys := st.Keys(); len(keys) > 0 {
		t.Errorf("left behind: %q", keys)
	}
}

// Silence that healthy clients keep between two pings shows nobody away.
func TestSilentAfterIsAboveThePingInterval(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(t.Context())
	ping := server.Engine().Config().PingInterval
	if _, err := presence.Init(t.Context(), presence.Options{IO: server, SilentAfter: ping}); err == nil || !strings.Contains(err.Error(), "SilentAfter") {
		t.Errorf("SilentAfter as long as the ping interval: %v", err)
	}
	rt, err := presence.Init(t.Context(), presence.Options{IO: server, SilentAfter: -1})
	if err != nil {
		t.Fatalf("switched off: %v", err)
	}
	if err := rt.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
