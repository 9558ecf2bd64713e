package presence

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// beatInterval is how often a node gives its life sign and learns the store's time.
const beatInterval = time.Second

func (e *engine) beat(ctx context.Context) error {
	before := e.clock.Now()
	b, err := e.store.Beat(ctx, store.BeatRequest{Node: e.self()})
	if err != nil {
		return err
	}
	after := e.clock.Now()
	middle := before.Add(after.Sub(before) / 2)
	e.offset.Store(b.NowMs - middle.UnixMilli())
	return nil
}

func (e *engine) tryBeat() {
	ctx, cancel := e.bounded()
	defer cancel()
	if err := e.beat(ctx); err != nil && e.ctx.Err() == nil {
		e.log.Warn("life sign failed", "node", e.self(), "error", err)
	}
}
