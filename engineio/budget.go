package engineio

import (
	"slices"
	"sync"
)

// budget is the memory that messages above MaxQueueBytes may take together, all sessions of a server
// counted. Each piece of memory counts once, however many sessions wait for it.
type budget struct {
	most int // Config.MaxLargeBytes

	mu     sync.Mutex
	used   int
	frames map[*Frame]int // sessions that hold a frame which is counted
	queue  []*Body        // bodies that wait for memory, in order
}

// fits reports whether so much more may be taken. A message that is larger than the whole budget
// passes when nothing else is there. The lock is held.
func (b *budget) fits(size int) bool { return b.used == 0 || b.used+size <= b.most }

// hold counts the frames of a message for one more session. It reports false, and counts nothing,
// when there is no room. A body is counted by NewBody; hold only keeps its frame.
func (b *budget) hold(frames []*Frame) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	fresh := 0
	for _, f := range frames {
		if !f.counted() && b.frames[f] == 0 {
			fresh += f.size()
		}
	}
	if fresh > 0 && (len(b.queue) > 0 && b.used > 0 || !b.fits(fresh)) {
		return false
	}
	if b.frames == nil {
		b.frames = make(map[*Frame]int)
	}
	b.used += fresh
	for _, f := range frames {
		if f.counted() {
			f.more.body.refs++
		} else {
			b.frames[f]++
		}
	}
	return true
}

// letGo gives back what hold has counted.
func (b *budget) letGo(frames []*Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range frames {
		if f.counted() {
			f.more.body.unref()
			continue
		}
		if b.frames[f]--; b.frames[f] == 0 {
			delete(b.frames, f)
			b.used -= f.size()
		}
	}
	b.grant()
}

// counted reports whether the frame's memory is that of a body which counts by itself.
func (f *Frame) counted() bool {
	return f.more != nil && f.more.body != nil && f.more.body.budget != nil
}

// grant gives waiting bodies their share, in order, while there is room. The lock is held.
func (b *budget) grant() {
	for len(b.queue) > 0 && b.fits(b.queue[0].size) {
		next := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		next.granted = true
		b.used += next.size
		close(next.ready)
	}
}

// Body is a long text that the messages to several sessions have in common, see [NewSharedFrame]. One
// above MaxQueueBytes has a share of MaxLargeBytes from when it is [Body.Ready] until its maker has
// called Release and every session has sent it, or has ended.
type Body struct {
	text   []byte
	budget *budget // nil: it does not count
	ready  chan struct{}

	// Guarded by budget.mu.
	size    int
	refs    int
	granted bool
}

// NewBody queues up for the memory of a text of about that size. It does not block: the text may be
// made, and given to Set, once Ready. Its maker must call Release.
func (srv *Server) NewBody(size int) *Body {
	b := &Body{ready: make(chan struct{}), size: size, refs: 1}
	if size <= srv.cfg.MaxQueueBytes {
		close(b.ready)
		return b
	}
	b.budget = &srv.budget
	srv.budget.mu.Lock()
	defer srv.budget.mu.Unlock()
	srv.budget.queue = append(srv.budget.queue, b)
	srv.budget.grant()
	return b
}

// Ready returns a channel that is closed when there is room for the text.
func (b *Body) Ready() <-chan struct{} { return b.ready }

// Set gives the body its text, which it keeps. It is called once, after Ready and before the first
// frame is made of the body.
func (b *Body) Set(text []byte) {
	b.text = text
	if b.budget == nil {
		return
	}
	b.budget.mu.Lock()
	defer b.budget.mu.Unlock()
	b.budget.used += len(text) - b.size
	b.size = len(text)
	b.budget.grant()
}

// Release says that its maker does not need the body any more, be it ready or not. Sessions that
// are to send it still do.
func (b *Body) Release() {
	if b.budget == nil {
		return
	}
	b.budget.mu.Lock()
	defer b.budget.mu.Unlock()
	b.unref()
	b.budget.grant()
}

// unref ends one use of the body. The budget's lock is held.
func (b *Body) unref() {
	if b.refs--; b.refs > 0 {
		return
	}
	if b.granted {
		b.budget.used -= b.size
	} else if i := slices.Index(b.budget.queue, b); i >= 0 {
		b.budget.queue = slices.Delete(b.budget.queue, i, i+1)
	}
}

// bigMessage is one that is not judged as backlog while it waits for a session. There is at most one
// for each session.
type bigMessage struct {
	exempt int // bytes of it that have not left
	begun  bool
	held   []*Frame // what counts against the budget for it
}

// Marks around a big message in a queue. They have no bytes.
var (
	bigBegin = &Frame{kind: markFrame}
	bigEnd   = &Frame{kind: markFrame}
)

// pass is a writer's way past a mark. Called with the session's lock.
func (s *Session) pass(mark *Frame) {
	switch {
	case s.big == nil:
	case mark == bigBegin:
		s.big.begun = true
	default:
		s.dropBig()
	}
}

// dropBig forgets the big message, sent or lost. Called with the session's lock.
func (s *Session) dropBig() {
	if s.big == nil {
		return
	}
	if len(s.big.held) > 0 {
		s.srv.budget.letGo(s.big.held)
	}
	s.big = nil
}

// Busy reports whether a message above a quarter of MaxQueueBytes is on its way to this session: a
// second one is refused if it is above MaxQueueBytes, and counts as backlog if not.
func (s *Session) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.big != nil
}
