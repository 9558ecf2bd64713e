package presence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// The subscription to a room's broadcasts follows what is wanted, whatever
// comes and goes at the same time.
func TestSubscriptionsFollowInterest(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.Background())
	st := memstore.New(memstore.Options{})
	defer st.Close(context.Background())
	e, err := newEngine(t.Context(), testSettings, st, systemClock{}, func(b []byte, _ series.Change) frame { return textFrame(b) })
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	c, err := newCluster(t.Context(), e, server, server.Of("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for i := range 10_000 {
				room := fmt.Sprint(g, ".", i)
				if err := c.roomOpened(ctx, room); err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
				c.roomClosed(room)
			}
		})
	}
	wg.Wait()
	c.wg.Wait() // nothing changes any more
	for room, in := range c.interests {
		t.Errorf("left behind: room %s, counted %d, subscribed: %v", room, in.count, in.sub != nil)
	}
}
