package engineio

import "sync"

const (
	// writeSize is the most that frames are gathered into for one write; a larger frame is
	// written from where it is.
	writeSize = 64 << 10
	// keepFrames is the capacity up to which an emptied queue is kept for reuse.
	keepFrames = 512
)

// frameQueue is an ordered list of frames and a cursor on it. An idle session has none: queues are
// taken from a pool at the first frame and go back when they are written.
type frameQueue struct {
	frames []*Frame
	next   int // the first frame not yet taken
}

// chunk returns the next bytes to write, nil when none are left: as many frames as fit together
// into buf, which must be empty, or one frame by itself, uncopied.
func (q *frameQueue) chunk(buf []byte) []byte {
	left := q.frames[q.next:]
	if len(left) == 0 {
		return nil
	}
	if len(left) == 1 || len(left[0].wire)+len(left[1].wire) > cap(buf) {
		q.next++
		return left[0].wire
	}
	for _, f := range left {
		if len(buf)+len(f.wire) > cap(buf) {
			break
		}
		buf = append(buf, f.wire...)
		q.next++
	}
	return buf
}

// asText makes text of the binary frames from place i on, and returns how much longer they became.
func (q *frameQueue) asText(i int) (more int) {
	for ; i < len(q.frames); i++ {
		text := q.frames[i].asText()
		more += len(text.wire) - len(q.frames[i].wire)
		q.frames[i] = text
	}
	return more
}

// batch takes as many packets as fit into limit bytes of a polling payload, and at most packets of
// them, but at least one. It returns the payload and the wire bytes that it took.
func (q *frameQueue) batch(limit, packets int) (payload []byte, wire int) {
	left := q.frames[q.next:]
	left = left[:min(len(left), packets)]
	size, n := 0, 0
	for _, f := range left {
		more := packetLen(f) + 1
		if n > 0 && size+more-1 > limit {
			break
		}
		size += more
		n++
	}
	payload = make([]byte, 0, size)
	for _, f := range left[:n] {
		payload = appendPacket(payload, f)
		wire += len(f.wire)
	}
	q.next += n
	return payload, wire
}

func (q *frameQueue) empty() bool { return q.next == len(q.frames) }

// pools holds what sessions need only while bytes move.
type pools struct {
	queues  sync.Pool // of *frameQueue
	reads   sync.Pool // of *readBuf
	writers sync.Pool // of *writer
}

func (p *pools) queue() *frameQueue {
	if q, ok := p.queues.Get().(*frameQueue); ok {
		return q
	}
	return new(frameQueue)
}

func (p *pools) putQueue(q *frameQueue) {
	if q == nil || cap(q.frames) > keepFrames {
		return
	}
	clear(q.frames)
	q.frames, q.next = q.frames[:0], 0
	p.queues.Put(q)
}

func (p *pools) readBuf() *readBuf {
	if b, ok := p.reads.Get().(*readBuf); ok {
		return b
	}
	return &readBuf{data: make([]byte, readSize)}
}

func (p *pools) putReadBuf(b *readBuf) {
	if b == nil || len(b.data) != readSize {
		return
	}
	b.n, b.err = 0, nil
	p.reads.Put(b)
}

func (p *pools) writer() *writer {
	if w, ok := p.writers.Get().(*writer); ok {
		return w
	}
	w := &writer{buf: make([]byte, 0, writeSize)}
	w.ready = w.writable
	return w
}

func (p *pools) putWriter(w *writer) {
	w.data, w.err = nil, nil
	p.writers.Put(w)
}
