package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// retryInterval is how often writes in doubt are tried again.
	retryInterval = 500 * time.Millisecond
	// maxInDoubt bounds the executors that have writes in doubt: beyond that joins are
	// refused before they reach the store. Clients that come and go while it does not answer
	// would leave one behind each time.
	maxInDoubt = 1 << 14
	// maxRoomInDoubt bounds those of one room.
	maxRoomInDoubt = 1 << 10
)

// markInDoubt adds a step that resolves a write in doubt. Called by tasks of the executor
// only.
func (e *Node) markInDoubt(l *serial.Executor, step func(context.Context) error) {
	e.retries.Add(l, step)
}

// carryOut has an executor run a step that must succeed some time, when the departures have a
// turn for it: without an answer of the store it is in doubt.
func (e *Node) carryOut(l *serial.Executor, step func(context.Context) error) {
	e.leavePool.Schedule(l, func(posted time.Time) { e.retries.CarryOut(l, posted, step) })
}

// carryOutLater has a step about a room carried out that belongs to no member of this node.
// It does not block.
func (e *Node) carryOutLater(room string, step func(context.Context) error) {
	e.carryOut(newExecutor(room), step)
}

// after makes a step wait until the store's time is past one: what a write in doubt did
// is certain then.
func (e *Node) after(ms int64, step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if e.storeNow() <= ms {
			return fmt.Errorf("too early behind a write in doubt: %w", store.ErrUnavailable)
		}
		return step(ctx)
	}
}
