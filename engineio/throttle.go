package engineio

import (
	"sync"
	"time"
)

// logPause is the least time between two log lines of one kind.
const logPause = time.Second

// throttle lets one log line of a kind through in logPause, so that a crowd of clients with the same
// fault is not a line for each.
type throttle struct {
	mu    sync.Mutex
	after time.Duration // when the next line may come
	more  int           // held back since the last one
}

// next reports whether a line may be written now, and how many were held back before it.
func (t *throttle) next(now time.Duration) (unlogged int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now < t.after {
		t.more++
		return 0, false
	}
	unlogged, t.more, t.after = t.more, 0, now+logPause
	return unlogged, true
}
