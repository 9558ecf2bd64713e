package largenode

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/engine"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// peer is another node on the same store. Its members have no connections: what they take and do shall
// not be taken for the large node's.
type peer struct {
	link   *storetest.Faulty // between it and the store
	engine *engine.Engine
}

func startPeer(ctx context.Context, members *memstore.Store) (*peer, error) {
	p := &peer{link: storetest.NewFaulty(members, storetest.Plan{})}
	p.engine = engine.New(core.Settings{
		Limits: wire.Limits{IDBytes: 256, StateBytes: 16 << 10, Rooms: 100, GraceMs: 120_000},
		TTL:    30 * time.Second, ReaperInterval: 3 * time.Second, Lookback: time.Hour, AwayAfter: 2 * time.Second,
		StoreTimeout: 2 * time.Second, LeaseTime: 4 * time.Second, Log: slog.New(slog.DiscardHandler),
	}, rooms.Options{
		Encode: func([]byte, series.Change) rooms.Frame { return silence{} },
		Share:  func(int) rooms.SharedBody { return unshared{} },
	}, p.link, clock.System{})
	if err := p.engine.Open(ctx); err != nil {
		return nil, fmt.Errorf("opening the other node: %w", err)
	}
	return p, nil
}

// join makes the i-th member of the node.
func (p *peer) join(ctx context.Context, i int) error {
	a := answer{done: make(chan bool, 1)}
	socket := p.engine.Sockets.Connect(absent{id: fmt.Sprint("peer-socket-", i)})
	for range peerTries {
		socket.Join(joinPayload(peerRoom(i), fmt.Sprint("peer-", i)), nil, a)
		select {
		case ok := <-a.done:
			if ok {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("the join of member %d of the other node: %w", i, ctx.Err())
		}
	}
	return fmt.Errorf("the join of member %d of the other node was refused", i)
}

// peerTries is how often such a member tries to join: a busy machine may keep it waiting for too long.
const peerTries = 5

// kill ends the node as kill -9 does: nothing is said to anybody.
func (p *peer) kill(ctx context.Context) error {
	p.link.Kill()
	if err := p.engine.Shut(ctx); err != nil {
		return fmt.Errorf("ending the other node: %w", err)
	}
	return nil
}

// answer takes the answer to a join.
type answer struct{ done chan bool }

func (a answer) Answer(ack []byte) { a.done <- bytes.Contains(ack, []byte(`"ok":true`)) }

func (a answer) AnswerShared(head []byte, _ rooms.SharedBody, _ []byte) bool {
	a.Answer(head)
	return true
}

func (a answer) Wanted() bool { return true }

// silence is an event that nobody gets.
type silence struct{}

func (silence) Namespace() string { return "/" }

// unshared is a text that answers have in common, for nobody.
type unshared struct{}

func (unshared) Ready() <-chan struct{} {
	ready := make(chan struct{})
	close(ready)
	return ready
}

func (unshared) Set([]byte) {}

func (unshared) Release() {}

// absent is a socket that takes everything.
type absent struct{ id string }

func (a absent) ID() string { return a.id }

func (absent) Deliver(rooms.Frame) {}

func (absent) ExpectSender(a rooms.Acker) rooms.Acker { return a }

func (absent) Enter(string) {}

func (absent) Exit(string) {}

func (absent) LastPacket() time.Time { return time.Now() }

func (absent) SetHeals() {}

func (absent) Busy() bool { return false }

func (absent) Ended() bool { return false }

func (absent) Address() string { return "" }

func (absent) OnNextPacket(func()) {}

func (absent) Hold(<-chan struct{}, time.Duration) bool { return true }

func (absent) Drop() {}

func (absent) Disconnect() {}
