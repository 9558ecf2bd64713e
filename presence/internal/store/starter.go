package store

import "context"

// Starter is a Store that can write without a goroutine that waits for it, which
// costs less. It is optional.
type Starter interface {
	Store
	// StartPut is Put that does not block. The waiter is told once what Put would
	// have returned: by StartPut itself or later, some 50 ms after the context
	// ended at the latest. The store keeps p, which nobody may change, until then.
	StartPut(ctx context.Context, p *Put, w PutWaiter)
}

// PutWaiter is told how a write ended. It must not block.
type PutWaiter interface {
	// PutDone gets what Put returns. The store calls it once for each write, from a
	// goroutine of its own or from StartPut, and holds no lock meanwhile.
	PutDone(res PutResult, err error)
}
