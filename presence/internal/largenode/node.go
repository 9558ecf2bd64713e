package largenode

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/gcpace"
	"github.com/realtime-ai/realtime-message-go/internal/pipenet"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

const (
	// pingTimeout is that of the command.
	pingTimeout = 20 * time.Second
	// signStep is how often a node gives a life sign.
	signStep = time.Second
)

// signs is the store of the node, and notes how late its life signs are.
type signs struct {
	*memstore.Store
	last atomic.Int64 // Unix ns
	late Lateness
}

// Beat implements store.Store.
func (s *signs) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	now := time.Now().UnixNano()
	if last := s.last.Swap(now); last > 0 {
		s.late.Note(time.Duration(now-last) - signStep)
	}
	return s.Store.Beat(ctx, b)
}

// node is the server under test.
type node struct {
	store    signs
	io       *socketio.Server
	rt       *presence.Runtime
	web      *http.Server
	listener *pipenet.Listener
	pace     *gcpace.Pace
}

// startNode starts a server as the command does, with members in memory.
func startNode(ctx context.Context, interval time.Duration) (*node, error) {
	n := &node{listener: pipenet.Listen(), pace: gcpace.Start()}
	n.store.Store = memstore.New(memstore.Options{})
	var err error
	n.io, err = socketio.NewServer(socketio.Config{Engine: engineio.Config{PingInterval: interval, PingTimeout: pingTimeout}})
	if err != nil {
		return nil, fmt.Errorf("making the server: %w", err)
	}
	n.rt, err = presence.Init(ctx, presence.Options{
		IO: n.io, Store: storetest.Shared(&n.store), RefuseUnknown: true, DrainPeriod: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("starting presence: %w", err)
	}
	n.web = &http.Server{Handler: n.io, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = n.web.Serve(n.listener) }() // until close
	return n, nil
}

// close ends the server; the connections are cut when ctx ends.
func (n *node) close(ctx context.Context) error {
	n.pace.Stop()
	return errors.Join(n.rt.Close(ctx), n.io.Close(ctx), n.web.Close(), n.store.Close(ctx))
}
