package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

func options(server *socketio.Server, st store.Store) Options {
	return Options{IO: server, Namespace: server.Of("/"), Store: st, Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler)}
}

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
	c, err := New(t.Context(), options(server, st))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for i := range 10_000 {
				room := fmt.Sprint(g, ".", i)
				if err := c.OpenReplica(ctx, room); err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
				c.CloseReplica(room)
			}
		})
	}
	wg.Wait()
	c.wg.Wait() // nothing changes any more
	for room, in := range c.interests {
		t.Errorf("left behind: room %s, counted %d, subscribed: %v", room, in.count, in.sub != nil)
	}
}

// published notes where broadcasts go.
type published struct {
	*memstore.Store
	rooms []string
	nodes int // how many went to all of them
}

func (p *published) Publish(_ context.Context, room string, _ []byte) error {
	p.rooms = append(p.rooms, room)
	return nil
}

func (p *published) PublishNodes(_ context.Context, text []byte) error {
	if text[0] == wire.NodeBroadcast {
		p.nodes++
	}
	return nil
}

// A broadcast to a room goes over its channel alone, whatever its name looks like. Only
// the ids that servers make are no rooms, and have no channel.
func TestBroadcastsToRoomsAndToSockets(t *testing.T) {
	server, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.Background())
	st := &published{Store: memstore.New(memstore.Options{})}
	defer st.Close(context.Background())
	c := newAdapter(options(server, st))
	rooms := []string{"lobby", "customer-support-eu1", "AAAAAAAAAAAAAAAAAAAA"}
	for _, room := range append(rooms, socketid.New()) {
		if err := c.Publish(t.Context(), &socketio.Broadcast{Namespace: "/", Rooms: []string{room}}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(st.rooms, rooms) || st.nodes != 1 {
		t.Errorf("%d broadcasts went to all nodes, others over the channels of %q; want 1, and %q", st.nodes, st.rooms, rooms)
	}
}
