package core

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// RetryInterval is how often writes in doubt are tried again.
	RetryInterval = 500 * time.Millisecond
	// maxInDoubt bounds the executors that have writes in doubt: beyond that joins are
	// refused before they reach the store. Clients that come and go while it does not answer
	// would leave one behind each time.
	maxInDoubt = 1 << 14
	// MaxRoomInDoubt bounds those of one room.
	MaxRoomInDoubt = 1 << 10
)

// MarkInDoubt adds a step that resolves a write in doubt. Called by tasks of the executor
// only.
func (n *Node) MarkInDoubt(l *serial.Executor, step func(context.Context) error) {
	n.Retries.Add(l, step)
}

// CarryOut has an executor run a step that must succeed some time, when the leave pool has a
// turn for its room. If the store does not answer, the step goes to the retry queue.
func (n *Node) CarryOut(l *serial.Executor, step func(context.Context) error) {
	n.LeavePool.Schedule(l, func(posted time.Time) { n.Retries.CarryOut(l, posted, step) })
}

// CarryOutLater has a step about a room carried out that belongs to no member of this node.
// It does not block.
func (n *Node) CarryOutLater(room string, step func(context.Context) error) {
	n.CarryOut(NewExecutor(room), step)
}

// After makes a step wait until the store's time is past one: what a write in doubt did
// is certain then.
func (n *Node) After(ms int64, step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if n.StoreNow() <= ms {
			return fmt.Errorf("too early behind a write in doubt: %w", store.ErrUnavailable)
		}
		return step(ctx)
	}
}
