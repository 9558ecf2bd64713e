package storetest

import "sync"

// pause is whether the process that uses a store stands still.
type pause struct {
	mu     sync.Mutex
	frozen chan struct{} // closed by Thaw; nil: it runs
	once   sync.Once
	killed chan struct{}
}

// Freeze makes the process that uses the store stand still, as SIGSTOP does:
// no call begins or returns, nothing is delivered. What is on its way to the
// store goes on.
func (f *Faulty) Freeze() {
	f.pause.mu.Lock()
	defer f.pause.mu.Unlock()
	if f.pause.frozen == nil {
		f.pause.frozen = make(chan struct{})
	}
}

// Thaw ends a Freeze; what was held back comes in the order it would have.
func (f *Faulty) Thaw() {
	f.pause.mu.Lock()
	defer f.pause.mu.Unlock()
	if f.pause.frozen != nil {
		close(f.pause.frozen)
		f.pause.frozen = nil
	}
}

// Kill ends the process that uses the store, as SIGKILL does: no call begins
// any more, and those under way, what they did being done, answer
// store.ErrClosed. What is on its way to the store may still take effect.
func (f *Faulty) Kill() {
	f.pause.once.Do(func() { close(f.pause.killed) })
	f.Thaw()
}

// Frozen reports whether the process stands still.
func (f *Faulty) Frozen() bool {
	f.pause.mu.Lock()
	defer f.pause.mu.Unlock()
	return f.pause.frozen != nil
}

// Wait blocks while the process stands still. It reports false when it was
// killed: what waited must not happen.
func (f *Faulty) Wait() bool {
	for {
		f.pause.mu.Lock()
		frozen := f.pause.frozen
		f.pause.mu.Unlock()
		if frozen == nil {
			break
		}
		<-frozen
	}
	select {
	case <-f.pause.killed:
		return false
	default:
		return true
	}
}
