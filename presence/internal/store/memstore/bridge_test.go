package memstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// recorder keeps what it is given and calls then after each.
type recorder struct {
	mu     sync.Mutex
	events []store.Event
	casts  []string
	then   func()
}

func (r *recorder) HandleEvent(e store.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	if r.then != nil {
		r.then()
	}
}

func (r *recorder) HandleCast(_ string, payload []byte) {
	r.mu.Lock()
	r.casts = append(r.casts, string(payload))
	r.mu.Unlock()
	if r.then != nil {
		r.then()
	}
}

func (r *recorder) HandleInterrupt(string, bool) {}

func join(conn string) store.Put {
	return store.Put{Room: "r", Intent: store.IntentJoin, Member: store.Member{
		ConnID: conn, UserID: "u", Owner: "n", Epoch: 1, Write: 1, State: []byte("{}"),
	}}
}

func TestReceiverMayCallTheStore(t *testing.T) {
	s := New(Options{})
	ctx := t.Context()
	defer func() { _ = s.Close(context.Background()) }()
	rec := &recorder{}
	sub, err := s.Subscribe(ctx, "r", rec)
	if err != nil {
		t.Fatal(err)
	}
	inner := false
	rec.then = func() {
		if inner {
			sub.Close()
			return
		}
		inner = true
		if _, err := store.PutAndWait(ctx, s, join("b")); err != nil {
			t.Error(err)
		}
		if len(rec.events) != 1 {
			t.Error("the second event came before the first was done")
		}
	}
	if _, err := store.PutAndWait(ctx, s, join("a")); err != nil {
		t.Fatal(err)
	}
	if len(rec.events) != 2 || rec.events[1].Member.ConnID != "b" {
		t.Fatalf("events: %+v", rec.events)
	}
	if _, err := store.PutAndWait(ctx, s, join("c")); err != nil {
		t.Fatal(err)
	}
	if len(rec.events) != 2 || len(s.bridge.channels) != 0 {
		t.Fatal("the closed subscription still has a channel")
	}
}

// A publisher is not kept by a room that others keep busy: past a bound, a
// goroutine of the store goes on, and Close waits for it.
func TestBusyRoomIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		ctx := t.Context()
		gate := make(chan struct{})
		rec := &recorder{}
		n := 0
		rec.then = func() {
			if n++; n < 3*handOver {
				if err := s.Publish(ctx, "r", []byte("x")); err != nil {
					t.Error(err)
				}
			}
			if n == handOver+1 {
				<-gate // reached only if the caller got out of the way
			}
		}
		if _, err := s.Subscribe(ctx, "r", rec); err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(ctx, "r", []byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		early, cancel := context.WithCancel(ctx)
		cancel()
		if err := s.Close(early); !errors.Is(err, context.Canceled) {
			t.Errorf("Close did not wait for the delivery: %v", err)
		}
		close(gate)
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
		if got := len(rec.casts); got != handOver+1 {
			t.Errorf("casts after Close: %d, want %d", got, handOver+1)
		}
	})
}
