package serial

import "sync"

// maxPooledBuffer bounds the buffers that are kept.
const maxPooledBuffer = 1 << 20

// Buffer is memory in which bytes are appended.
type Buffer struct {
	B []byte // what was appended; its user may replace it
}

// Buffers keeps unused buffers, but none that has grown above 1 MiB. The zero value is
// empty and ready. Methods are safe for concurrent use, and none of them blocks.
type Buffers struct{ pool sync.Pool }

// Get returns an empty buffer with room for size bytes at least. It is the caller's until
// Put.
func (p *Buffers) Get(size int) *Buffer {
	b, ok := p.pool.Get().(*Buffer)
	if !ok {
		b = new(Buffer)
	}
	if cap(b.B) < size {
		b.B = make([]byte, 0, size)
	}
	return b
}

// Put takes a buffer back: nobody may use it, or its bytes, after that.
func (p *Buffers) Put(b *Buffer) {
	if cap(b.B) <= maxPooledBuffer {
		b.B = b.B[:0]
		p.pool.Put(b)
	}
}
