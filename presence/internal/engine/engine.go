package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/sessions"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Engine is presence on one node, without any Socket.IO in it.
type Engine struct {
	*core.Node
	// Rooms are the rooms that the node has open, Owned its members in them, and Sockets its
	// sockets.
	Rooms   *rooms.Rooms
	Owned   *owned.Members
	Sockets *sessions.Sockets

	// repeats counts the losses of data for which repeatAll has still to run.
	repeats  atomic.Int64
	reapPool *serial.FairPool // of rooms of dead nodes
	nodes    store.Subscription
}

// closeGrace is how long a Shut that was cut short still waits for the engine's own
// goroutines: their context has ended, they only need a moment. It is not the grace of a member.
const closeGrace = time.Second

// reapAtOnce bounds the rooms of dead nodes that are worked on at once.
const reapAtOnce = 16

// New returns a node that does nothing before Open.
func New(s core.Settings, o rooms.Options, st store.Store, c clock.Clock) *Engine {
	e := new(Engine)
	e.Node = core.New(s, st, c, e)
	e.Rooms = rooms.New(e.Node, o)
	e.Owned = owned.New(e.Rooms)
	e.Sockets = sessions.New(e.Owned)
	e.reapPool = e.NewPool(reapAtOnce)
	return e
}

// Open starts the node's work; Shut ends it, also when Open failed. It begins with a life sign,
// so it fails when the store does not answer. It blocks for at most ctx.
func (e *Engine) Open(ctx context.Context) (err error) {
	// Life sign first: what a subscription delivers is judged by the store's time.
	if err := e.Life.Renew(ctx); err != nil {
		return fmt.Errorf("presence: first life sign: %w", err)
	}
	if e.nodes, err = e.Store.SubscribeNodes(ctx, nodeMessages{e}); err != nil {
		e.forgetNode(ctx)
		return fmt.Errorf("presence: subscribe to nodes: %w", err)
	}
	e.Go(func() { e.Life.KeepAlive(e.Ctx) })
	e.Go(func() { e.Life.SweepOrphans(e.Ctx) })
	e.Every(core.RetryInterval, e.Retries.Retry)
	e.Every(node.IndexSweep, func() { e.Index.Sweep(e.Ctx) })
	e.Every(rooms.IdleCheckInterval, e.Rooms.CheckIdle)
	e.Every(replica.TombstoneTime/4, func() { e.Tombstones.Expire(e.Clock.Now()) })
	e.Every(e.TTL/3, e.refreshConns)
	e.Every(userTurn, e.usersInTurn())
	e.Every(e.ReaperInterval, e.Sockets.ConnReaper())
	if e.SilentAfter > 0 {
		e.Every(sessions.SilentInterval, e.Sockets.SilenceDetector())
	}
	return nil
}

// forgetNode takes back the life sign of a node that could not start.
func (e *Engine) forgetNode(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.StoreTimeout)
	defer cancel()
	if err := e.Store.Retire(ctx, e.Self()); err != nil { // else its lease runs out
		e.Log.Warn("life sign not taken back; other servers find this one dead when its lease is over", "node", e.Self(), "error", err)
	}
}

// Shut ends every goroutine of the engine. Members that still exist are cleaned up by the
// node that finds this one dead; drain first to avoid that. Functions of the application
// that run are waited for until ctx ends; the error says that some still run.
func (e *Engine) Shut(ctx context.Context) error {
	e.Cancel()
	if e.nodes != nil {
		e.nodes.Close()
	}
	e.Workers.Close()
	err := e.Workers.Wait(ctx, closeGrace)
	e.Rooms.Close()
	return err
}
