package socketio

import "sync"

// scratch is a buffer in which a packet is put together before engineio copies
// it into a frame.
type scratch struct{ b []byte }

// maxScratch bounds what the pool keeps.
const maxScratch = 16 << 10

var scratches = sync.Pool{New: func() any { return &scratch{b: make([]byte, 0, 512)} }}

func newScratch() *scratch { return scratches.Get().(*scratch) }

func (s *scratch) free() {
	if cap(s.b) > maxScratch {
		return
	}
	s.b = s.b[:0]
	scratches.Put(s)
}
