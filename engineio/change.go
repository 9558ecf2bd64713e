package engineio

import (
	"strconv"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// changeFrame is a frame and what a change adds to it in one allocation.
type changeFrame struct {
	Frame
	more
	what series.Change
}

// NewChangeFrame is [NewTextFrame] for one of a series of changes, for the packages of this module: of
// those that wait for a slow client, a later one replaces earlier ones. The places in c are those in the
// joined text. See [Session.SetHeals] for what becomes of a backlog that is still too large.
func NewChangeFrame(c series.Change, parts ...[]byte) *Frame {
	size := 1
	for _, p := range parts {
		size += len(p)
	}
	f := new(changeFrame)
	f.what = c
	f.more.change = &f.what
	f.Frame.more = &f.more
	f.head = uint8(headerLen(size))
	f.wire = append(appendHeader(make([]byte, 0, int(f.head)+size), ws.OpText, size), packetMessage)
	for _, p := range parts {
		f.wire = append(f.wire, p...)
	}
	return &f.Frame
}

// change is what the frame says of a series; nil: nothing.
func (f *Frame) change() *series.Change {
	if f.more == nil {
		return nil
	}
	return f.more.change
}

// renumbered returns the frame with another Prev. Its text is that of f, not a copy.
func (f *Frame) renumbered(prev int64) *Frame {
	base := f
	if f.more.base != nil {
		base = f.more.base
	}
	old := base.more.change
	text := base.payload()
	at := old.PrevAt + 1 // the packet's type
	tail := strconv.AppendInt(make([]byte, 0, 24+len(text)-at), prev, 10)
	next := new(changeFrame)
	next.what = *f.more.change
	next.what.Prev, next.what.PrevLen = prev, len(tail)
	tail = append(tail, text[at+old.PrevLen:]...)
	size := at + len(tail)
	next.Frame.more = &next.more
	next.more = more{text: text[:at:at], tail: tail, change: &next.what, base: base}
	next.head = uint8(headerLen(size))
	next.wire = appendHeader(make([]byte, 0, next.head), ws.OpText, size)
	return &next.Frame
}

// fold removes the changes that later ones of the same subject make needless, and renumbers what stands
// behind them. It returns by how many bytes the queue is shorter.
func (q *frameQueue) fold() (less int) {
	verdicts := q.judge()
	if len(verdicts) == 0 {
		return 0
	}
	// at is the last number of each series that is sent, seen the last that there was.
	type place struct{ at, seen int64 }
	places := make(map[string]*place)
	return q.rewrite(func(i int, f *Frame) *Frame {
		c := f.change()
		if c == nil {
			return f
		}
		p := places[c.Series]
		if p == nil {
			p = &place{at: c.Prev}
			places[c.Series] = p
		} else if p.seen != c.Prev { // it does not follow what waits
			p.at = c.Prev
		}
		p.seen = c.Seq
		verdict := verdicts[i]
		if verdict == needless {
			return nil
		}
		prev := p.at
		p.at = c.Seq
		if prev != c.Prev || verdict == replaces {
			f = f.renumbered(prev)
		}
		if verdict == replaces {
			f.more.change.Kind = series.Replace
		}
		return f
	})
}

// history sums up the waiting changes of one subject.
type history struct {
	known  bool   // the client has the subject
	holder string // as whose
	end    int    // the first change that removes it as that; -1: none
	whole  int    // the last change that is not only one of the state; -1: none
	state  int    // the last change of the state behind that; -1: none
}

// needs reports whether a client that is at the beginning of the history needs change i of the queue.
func (h *history) needs(i int, c *series.Change, whole *series.Change) bool {
	ours := h.known && whole != nil && whole.Holder == h.holder
	switch i {
	case h.state:
		return true
	case h.whole:
		return c.Kind != series.End || ours
	case h.end:
		return h.known && !ours // it goes over to another holder, or ends as another's
	}
	return false
}

// verdict is what folding does to a change.
type verdict byte

const (
	needless verdict = 1 + iota
	replaces         // it stands for an end too: it does not begin what the client does not have
)

// judge returns the places of the changes that do not stay as they are. The last change of a series
// is always kept: the next one names it as the one before.
func (q *frameQueue) judge() map[int]verdict {
	type subject struct{ series, name string }
	histories, last := make(map[subject]*history), make(map[string]int)
	for i := q.next; i < len(q.frames); i++ {
		c := q.frames[i].change()
		if c == nil {
			continue
		}
		last[c.Series] = i
		h := histories[subject{c.Series, c.Subject}]
		sent := i == q.next && q.part > 0
		if h == nil {
			h = &history{end: -1, whole: -1, state: -1, holder: c.Holder}
			h.known = c.Kind != series.Begin && !sent || c.Kind != series.End && sent
			histories[subject{c.Series, c.Subject}] = h
		}
		switch {
		case sent:
		case c.Kind == series.State:
			h.state = i
		default:
			h.whole, h.state = i, -1
			if c.Kind == series.End && h.end < 0 && c.Holder == h.holder {
				h.end = i
			}
		}
	}
	verdicts := make(map[int]verdict)
	for i := q.next; i < len(q.frames); i++ {
		c := q.frames[i].change()
		if c == nil || c.Kind == series.Batch || i == q.next && q.part > 0 {
			continue
		}
		h := histories[subject{c.Series, c.Subject}]
		var whole *series.Change
		if h.whole >= 0 {
			whole = q.frames[h.whole].change()
		}
		switch {
		case last[c.Series] != i && !h.needs(i, c, whole):
			verdicts[i] = needless
		case i == h.whole && h.known && c.Kind == series.Begin && c.Holder == h.holder:
			verdicts[i] = replaces
		}
	}
	return verdicts
}

// shed removes all changes of each series but the newest. It returns by how many bytes the queue is
// shorter.
func (q *frameQueue) shed() (less int) {
	newest := make(map[string]int)
	for i := q.next; i < len(q.frames); i++ {
		if c := q.frames[i].change(); c != nil {
			newest[c.Series] = i
		}
	}
	return q.rewrite(func(i int, f *Frame) *Frame {
		if c := f.change(); c != nil && newest[c.Series] != i && (i > q.next || q.part == 0) {
			return nil
		}
		return f
	})
}

// rewrite replaces the frames that wait by what f makes of them; nil removes one. It returns by how
// many bytes the queue is shorter.
func (q *frameQueue) rewrite(f func(i int, frame *Frame) *Frame) (less int) {
	kept := q.frames[:q.next]
	for i := q.next; i < len(q.frames); i++ {
		old := q.frames[i]
		less += old.size()
		if next := f(i, old); next != nil {
			kept = append(kept, next)
			less -= next.size()
		}
	}
	clear(q.frames[len(kept):])
	q.frames = kept
	return less
}
