package engine

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// DeclaredDead implements node.Host.
func (e *Engine) DeclaredDead(silence time.Duration) {
	woke := e.Clock.Now()
	e.MissedRenewals.Store(int64(silence))
	e.DeclaredDeadAt.Store(&woke)
}

// Reborn implements node.Host: what became of each member is found out when the node has
// caught up. Before that a check could only wait in the retry queue.
func (e *Engine) Reborn() {
	e.Go(func() {
		if !e.Sleep(core.CatchUpTime) {
			return
		}
		for _, m := range e.Owned.All() {
			m.CheckSoon()
		}
	})
}

// Draining implements node.Host.
func (e *Engine) Draining() bool { return e.Stopping.Load() }

// Start implements node.Host.
func (e *Engine) Start(f func()) bool { return e.TryGo(f) }

// Run implements node.Host.
func (e *Engine) Run(room string, f func()) { e.reapPool.Submit(room, f) }

// nodeMessages receives the messages to all nodes.
type nodeMessages struct{ e *Engine }

// HandleEvent implements store.Receiver; there are none here.
func (nodeMessages) HandleEvent(store.Event) {}

// HandleCast implements store.Receiver; broadcasts are the cluster adapter's.
func (n nodeMessages) HandleCast(_ string, payload []byte) {
	if len(payload) == 0 {
		return
	}
	if payload[0] == wire.NodeDisconnect {
		n.e.handleDisconnectNotice(payload[1:])
	}
}

// HandleInterrupt implements store.Receiver.
func (n nodeMessages) HandleInterrupt(_ string, lost bool) {
	if lost {
		n.e.onPossibleDataLoss()
	}
}
