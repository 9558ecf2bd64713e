package presence_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// A policy that runs out of time is not a no for ever.
func TestAuthorizeWithoutAnAnswerInTime(t *testing.T) {
	_, url := serve(t, presence.Options{
		StoreTimeout: 50 * time.Millisecond,
		Authorize: func(ctx context.Context, _ *socketio.Socket, r presence.JoinRequest) error {
			<-ctx.Done()
			if r.RoomID == "decided" {
				return presence.ErrForbidden
			}
			return fmt.Errorf("ask the policy's database: %w", ctx.Err())
		},
	})
	c := connect(t, url, "")
	for room, want := range map[string]string{"r": "unavailable", "decided": "forbidden"} {
		if got := c.code("presence:join", `{"roomId":"`+room+`","userId":"u"}`); got != want {
			t.Errorf("room %s: %s, want %s", room, got, want)
		}
	}
}

// A connection that joins many rooms at once has few of them in Authorize, the
// others in order behind them; another connection does not wait for it.
func TestAuthorizeIsBoundedPerConnection(t *testing.T) {
	var mu sync.Mutex
	running, most, order := 0, 0, []string(nil)
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	_, url := serve(t, presence.Options{
		StoreTimeout: time.Minute,
		Authorize: func(ctx context.Context, s *socketio.Socket, r presence.JoinRequest) error {
			if string(s.Handshake().Auth) != `{"slow":1}` {
				return nil
			}
			mu.Lock()
			running++
			most = max(most, running)
			order = append(order, r.RoomID)
			mu.Unlock()
			entered <- struct{}{}
			select {
			case <-leave:
			case <-ctx.Done():
			}
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		},
	})
	slow, quick := connect(t, url, `{"slow":1}`), connect(t, url, "")
	const rooms, atOnce = 100, 8
	for i := range rooms {
		slow.send(fmt.Sprintf(`42%d["presence:join",{"roomId":"r%d","userId":"u"}]`, 1000+i, i))
	}
	for range atOnce {
		<-entered
	}
	if ack := quick.ask("presence:join", `{"roomId":"r0","userId":"quick"}`); !strings.HasPrefix(ack, `{"ok":true`) {
		t.Errorf("another connection: %s", ack)
	}
	if got := slow.code("presence:sync", `{"roomId":"none"}`); got != "not_joined" { // all joins were read
		t.Error(got)
	}
	close(leave)
	for range rooms {
		if ack := slow.next("431"); !strings.Contains(ack, `{"ok":true`) {
			t.Errorf("joined: %.100s", ack)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most != atOnce || len(order) != rooms {
		t.Errorf("%d at once, %d in all", most, len(order))
	}
}
