package bench

import (
	"fmt"
	"maps"
	"sync"
)

// The kinds of errors; a refused request adds its code to errRefused.
const (
	errConnect  = "connect"     // no connection
	errLost     = "lost"        // a connection that ended by itself
	errTimeout  = "ack_timeout" // a request without an answer in time
	errRefused  = "refused"     // an answer that is not ok
	errStale    = "stale"       // a write that the server took for an old one
	errProtocol = "protocol"    // what no server may send
	errResume   = "not_resumed" // a member that had to join as a new one
)

// maxExamples is how many errors are kept with their text.
const maxExamples = 5

// failures counts errors by kind and keeps the text of the first few.
type failures struct {
	mu       sync.Mutex
	kinds    map[string]int64
	total    int64
	examples []string
}

func (f *failures) add(kind string, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds == nil {
		f.kinds = map[string]int64{}
	}
	f.kinds[kind]++
	f.total++
	if len(f.examples) < maxExamples {
		f.examples = append(f.examples, kind+": "+fmt.Sprintf(format, args...))
	}
}

func (f *failures) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

func (f *failures) result() (map[string]int64, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kinds := map[string]int64{}
	maps.Copy(kinds, f.kinds)
	return kinds, append([]string{}, f.examples...)
}
