package engine

import (
	"sync"
)

// maxPooledBuffer bounds the buffers that are kept.
const maxPooledBuffer = 1 << 20

// buffer is a buffer in which an event or an ack is written before a frame is
// made of it.
type buffer struct{ b []byte }

// buffers are the unused buffers.
type buffers struct{ pool sync.Pool }

// get returns an empty one with room for size bytes.
func (p *buffers) get(size int) *buffer {
	t, ok := p.pool.Get().(*buffer)
	if !ok {
		t = new(buffer)
	}
	if cap(t.b) < size {
		t.b = make([]byte, 0, size)
	}
	return t
}

func (p *buffers) put(t *buffer) {
	if cap(t.b) <= maxPooledBuffer {
		t.b = t.b[:0]
		p.pool.Put(t)
	}
}
