package presence

import "sync"

// maxText bounds the buffers that are kept.
const maxText = 1 << 20

// text is a buffer in which an event or an ack is written before a frame is
// made of it.
type text struct{ b []byte }

// texts are those that nobody uses.
type texts struct{ pool sync.Pool }

// get returns an empty one with room for size bytes.
func (p *texts) get(size int) *text {
	t, ok := p.pool.Get().(*text)
	if !ok {
		t = new(text)
	}
	if cap(t.b) < size {
		t.b = make([]byte, 0, size)
	}
	return t
}

func (p *texts) put(t *text) {
	if cap(t.b) <= maxText {
		t.b = t.b[:0]
		p.pool.Put(t)
	}
}
