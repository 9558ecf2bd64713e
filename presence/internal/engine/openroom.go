package engine

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// acquire returns the node's replica of a room, opened, and takes a reference
// to it; release gives that back. It blocks for at most ctx, and fails when the
// node ends.
func (e *Rooms) acquire(ctx context.Context, id string) (*room, error) {
	e.mu.Lock()
	if e.open == nil || e.ctx.Err() != nil {
		e.mu.Unlock()
		return nil, store.ErrClosed
	}
	r := e.open[id]
	if r == nil {
		r = &room{
			eng: e, id: id, ready: make(chan struct{}), loading: true,
		}
		r.members = e.newMembers(r)
		r.rep = replica.New(id, &e.replicaSettings, r.members)
		if !e.tryStart(r.open) {
			e.mu.Unlock()
			return nil, store.ErrClosed
		}
		e.open[id] = r
		e.index.Opened(id)
	}
	r.refs++
	e.mu.Unlock()
	select {
	case <-r.ready:
		if r.err != nil {
			r.release()
			return nil, r.err
		}
		return r, nil
	case <-ctx.Done():
		r.release()
		return nil, fmt.Errorf("open room %q: %w", id, ctx.Err())
	}
}

// release gives a reference back; the last one closes the replica.
func (r *room) release() {
	e := r.eng
	e.mu.Lock()
	r.refs--
	last := r.refs == 0
	if last && e.open[r.id] == r {
		delete(e.open, r.id)
		e.index.Closed(r.id)
	}
	e.mu.Unlock()
	if last {
		r.shut()
	}
}

// shut ends the subscription, once the room is open.
func (r *room) shut() {
	select {
	case <-r.ready:
		r.unsubscribe()
	default: // open sees that the room is not used
	}
}

func (r *room) unsubscribe() {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		r.forgetSnapshot()
		r.mu.Unlock()
		if r.sub != nil {
			r.sub.Close()
		}
		if r.openedHook {
			r.eng.Observer.CloseReplica(r.id)
		}
	})
}

// open makes the room ready, or gives it up.
func (r *room) open() {
	e := r.eng
	ctx, cancel := e.storeContext()
	defer cancel()
	r.err = r.fill(ctx)
	e.mu.Lock()
	if r.err != nil && e.open[r.id] == r {
		delete(e.open, r.id) // the next caller tries again
		e.index.Closed(r.id)
	}
	abandoned := r.refs == 0
	close(r.ready)
	e.mu.Unlock()
	if r.err != nil || abandoned {
		r.unsubscribe()
	}
}

// fill subscribes first and loads then, so that no event falls in between.
func (r *room) fill(ctx context.Context) (err error) {
	e := r.eng
	if r.sub, err = e.store.Subscribe(ctx, r.id, r); err != nil {
		return err
	}
	if e.Observer != nil {
		r.openedHook = true
		if err = e.Observer.OpenReplica(ctx, r.id); err != nil {
			return err
		}
	}
	began := e.clock.Now()
	loaded, err := e.store.Load(ctx, r.id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loadStartedAt = began
	now := e.moment()
	stale := r.rep.Load(loaded, now)
	for i := range stale {
		r.members.Stale(&stale[i], now.Time)
	}
	r.replayBuffered()
	return nil
}
