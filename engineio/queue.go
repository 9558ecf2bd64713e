package engineio

import (
	"slices"
	"sync"
)

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
	next   int  // the first frame not yet taken
	part   int  // of which so many pieces were taken
	fresh  int  // bytes that were added since it was last folded
	held   bool // all of it is meant for the end of the turn
}

// add appends frames. It reuses the space of frames that were taken, when that is more than half.
func (q *frameQueue) add(frames ...*Frame) {
	if len(q.frames)+len(frames) > cap(q.frames) && q.next > len(q.frames)/2 {
		n := copy(q.frames, q.frames[q.next:])
		clear(q.frames[n:])
		q.frames, q.next = q.frames[:n], 0
	}
	q.frames = append(q.frames, frames...)
}

// addFirst puts a frame before all frames of which nothing was taken yet.
func (q *frameQueue) addFirst(f *Frame) {
	at := q.next
	if q.part > 0 {
		at++
	}
	q.frames = slices.Insert(q.frames, at, f)
}

// chunk returns the next bytes to write, nil when none are left before a mark or the end: as many
// frames as fit together into buf, which must be empty, or one piece of a frame, uncopied.
func (q *frameQueue) chunk(buf []byte) []byte {
	left := q.frames[q.next:]
	if len(left) == 0 || left[0].kind == markFrame {
		return nil
	}
	if q.part > 0 || left[0].size() > cap(buf) {
		return q.piece()
	}
	if len(left) == 1 || len(left[0].wire)+left[1].size() > cap(buf) {
		if f := left[0]; !f.joined() {
			q.taken()
			return f.wire
		}
	}
	for _, f := range left {
		if f.kind == markFrame || len(buf)+f.size() > cap(buf) {
			break
		}
		buf = append(buf, f.wire...)
		if f.joined() {
			buf = append(append(buf, f.more.text...), f.more.tail...)
		}
		q.taken()
	}
	return buf
}

// asText makes text of the binary frames from place i on, and returns how much longer they became.
func (q *frameQueue) asText(i int) (more int) {
	for ; i < len(q.frames); i++ {
		text := q.frames[i].asText()
		more += text.size() - q.frames[i].size()
		q.frames[i] = text
	}
	return more
}

// piece takes the next piece of the first frame that has bytes.
func (q *frameQueue) piece() []byte {
	f := q.frames[q.next]
	for {
		p, last := f.part(q.part)
		q.part++
		if last {
			q.taken()
		}
		if len(p) > 0 || last {
			return p
		}
	}
}

// mark takes the mark that the queue stands at; nil if it stands at none.
func (q *frameQueue) mark() *Frame {
	if q.next == len(q.frames) || q.frames[q.next].kind != markFrame {
		return nil
	}
	mark := q.frames[q.next]
	q.taken()
	return mark
}

// taken moves the cursor on, and forgets the frame.
func (q *frameQueue) taken() {
	q.frames[q.next] = nil
	q.next++
	q.part = 0
}

// batch takes as many packets as fit into limit bytes of a polling payload, and at most packets of
// them, but at least one. It returns the payload in pieces, of which those that frames share are not
// copied, and the wire bytes that it took. Marks on the way are taken too: the caller passes them when
// the payload has left.
func (q *frameQueue) batch(limit, packets int) (payload [][]byte, wire int, marks []*Frame) {
	left := q.frames[q.next:]
	size, own, n := 0, 0, 0
	for _, f := range left {
		if f.kind == markFrame {
			marks = append(marks, f)
			n++
			continue
		}
		more := packetLen(f) + 1
		if size > 0 && (size+more-1 > limit || packets == 0) {
			break
		}
		packets--
		size += more
		own += more
		if f.shares() {
			own -= len(f.more.text)
		}
		wire += f.size()
		n++
	}
	buf := make([]byte, 0, own)
	for _, f := range left[:n] {
		switch {
		case f.kind == markFrame:
			continue
		case f.shares():
			buf = append(appendSeparator(buf, len(payload) > 0), f.payload()...)
			payload = append(payload, buf, f.more.text)
			buf = append(buf[len(buf):], f.more.tail...)
		default:
			buf = appendPacket(buf, f, len(payload) > 0)
		}
	}
	if len(buf) > 0 || len(payload) == 0 {
		payload = append(payload, buf)
	}
	clear(left[:n])
	q.next += n
	return payload, wire, marks
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
	*q = frameQueue{frames: q.frames[:0]}
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
	return &writer{buf: make([]byte, 0, writeSize)}
}

func (p *pools) putWriter(w *writer) { p.writers.Put(w) }
