// Package memstore keeps members in the memory of one process. It is the
// embedded store of a single server, and lets tests run a whole cluster in one
// process: any number of engines may share one Store.
package memstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Options configure a Store. The zero value is ready to use.
type Options struct {
	// Now is the store's clock; default time.Now.
	Now func() time.Time
	// TTL is how long a connection's record lives without a refresh; default
	// 30 s. An expired record counts as missing and is dropped when touched.
	TTL time.Duration
}

// Store is a store.Store in memory. No method waits for anything, so contexts
// only matter when they have ended before the call.
//
// Events and casts are delivered on the goroutine of a publisher: a receiver
// may be called from inside StartPut, Remove, Publish or PublishNodes, and may call
// the store again. Callers must therefore hold no lock that their receivers
// take. Events of one room arrive one at a time in seq order; a publisher that
// finds another one delivering leaves its event to that one.
type Store struct {
	now    func() time.Time
	ttl    time.Duration
	closed atomic.Bool
	bridge bridge

	mu sync.Mutex
	data
}

// data are all records. The Store's mu guards them.
type data struct {
	rooms     rooms
	nodeRooms map[string]map[string]struct{} // in which a node may have members, by node
	users     map[string]*user               // where they are
	conns     map[string]*record
	// signs are when the nodes gave their last life sign, Unix ms, or minus when they
	// were marked dead.
	signs  map[string]int64
	claims map[string]claim // on dead nodes
}

func newData() data {
	return data{
		rooms: make(rooms), nodeRooms: make(map[string]map[string]struct{}), users: make(map[string]*user),
		conns: make(map[string]*record),
		signs: make(map[string]int64), claims: make(map[string]claim),
	}
}

var _ store.Store = (*Store)(nil)

// New returns an empty Store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TTL <= 0 {
		o.TTL = 30 * time.Second
	}
	return &Store{now: o.Now, ttl: o.TTL, bridge: bridge{channels: make(map[string]*channel)}, data: newData()}
}

// Close ends all subscriptions and waits for deliveries that the store itself
// runs. Every later call returns an error that wraps store.ErrClosed.
func (s *Store) Close(ctx context.Context) error {
	s.closed.Store(true)
	return s.bridge.close(ctx)
}

// ready says whether a call may begin.
func (s *Store) ready(ctx context.Context, what string) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: %w", what, store.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return nil
}

// do runs a step while it holds the lock of the records. It returns an error instead if
// the call may not begin, or if expiresMs (Unix ms; 0: no limit) has passed.
func (s *Store) do(ctx context.Context, what string, expiresMs int64, step func(now time.Time)) error {
	if err := s.ready(ctx, what); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if expiresMs != 0 && now.UnixMilli() > expiresMs {
		return fmt.Errorf("%s: expired on its way: %w", what, store.ErrUnavailable)
	}
	step(now)
	return nil
}
