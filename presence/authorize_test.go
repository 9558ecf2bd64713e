package presence_test

import (
	"context"
	"fmt"
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
