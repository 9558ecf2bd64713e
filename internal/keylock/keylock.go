// Package keylock holds locks by key.
package keylock

import (
	"context"
	"sync"
)

// Locks is a lock for each key. A key that is not locked takes no memory. The zero
// value is ready for use, and all methods are safe for concurrent use.
type Locks[K comparable] struct {
	mu   sync.Mutex
	held map[K]chan struct{} // closed by Unlock
}

// Lock locks a key. While it is locked already, Lock blocks; when ctx ends first, it
// returns the error of ctx, and has not locked the key. Waiting callers get the key in no
// particular order.
func (l *Locks[K]) Lock(ctx context.Context, key K) error {
	for {
		held := l.take(key)
		if held == nil {
			return nil
		}
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TryLock locks a key that is not locked, and reports whether it did. It does not block.
func (l *Locks[K]) TryLock(key K) bool { return l.take(key) == nil }

// Unlock unlocks a key. Any goroutine may call it, not only the one that locked the
// key. A key that is not locked stays so.
func (l *Locks[K]) Unlock(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.held[key]; held != nil {
		delete(l.held, key)
		close(held)
	}
}

// take locks a key that is not locked, and returns nil; else it returns a channel that
// Unlock closes.
func (l *Locks[K]) take(key K) (held <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held, locked := l.held[key]; locked {
		return held
	}
	if l.held == nil {
		l.held = make(map[K]chan struct{})
	}
	l.held[key] = make(chan struct{})
	return nil
}
