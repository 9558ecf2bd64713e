package presence

import (
	"errors"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// sharedText is a long text that the answers to several requests have in common.
type sharedText interface {
	// Ready returns a channel that is closed when the text may be made: the large ones
	// that are on their way have a budget, in which they wait for their turn.
	Ready() <-chan struct{}
	// Set gives it its text, once it is ready.
	Set(text []byte)
	// Release says that no more answers will be made with it.
	Release()
}

// snapshot is a room's members as text, at one seq.
type snapshot struct {
	seq  int64
	made time.Time
	text sharedText
}

const (
	// shareFrom is the size from which on a snapshot is made once for all who ask
	// at the same seq. A smaller one costs less than that.
	shareFrom = 16 << 10
	// snapshotLife is how long a snapshot serves a room in which nothing happens:
	// the life signs in it get old.
	snapshotLife = time.Second
	// answerPatience is how long a request waits for its turn to be answered with a
	// snapshot.
	answerPatience = 10 * time.Second
	// answerPause is how often it is looked whose turn has come.
	answerPause = 20 * time.Millisecond
)

// errLater says that an answer cannot be given yet.
var errLater = errors.New("the answer has to wait")

// asker is a request that is to be answered with the room's snapshot.
type asker struct {
	sock *socket
	// give answers. It is called with the room's lock, and with nil when no answer
	// is wanted or the socket is gone. It may return errLater.
	give  func(snap *snapshot) error
	mute  bool // no answer is wanted
	share bool // the answer is a shared text, however small

	until time.Time
	done  chan error // has room
}

// answer has a request answered as soon as the room's snapshot may be made and the
// socket has not too much to send already. It blocks for at most answerPatience.
// All who wait in one room are answered with one snapshot. Called by operations of
// lanes, without locks.
func (r *room) answer(a *asker) error {
	e := r.eng
	r.mu.Lock()
	if r.want == nil {
		if err := r.serve(a); !errors.Is(err, errLater) {
			r.mu.Unlock()
			return err
		}
	}
	a.until, a.done = e.clock.Now().Add(answerPatience), make(chan error, 1)
	r.askers = append(r.askers, a)
	if !r.serving {
		r.serving = e.tryStart(r.serveAskers)
	}
	r.mu.Unlock()
	select {
	case err := <-a.done:
		return err
	case <-e.ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		r.askers = slices.DeleteFunc(r.askers, func(other *asker) bool { return other == a })
		return store.ErrClosed
	}
}

// serveAskers answers those who wait until nobody does.
func (r *room) serveAskers() {
	for {
		r.mu.Lock()
		r.serveAll()
		if len(r.askers) == 0 || r.eng.ctx.Err() != nil {
			r.serving = false
			r.dropWant()
			r.mu.Unlock()
			return
		}
		want := r.want
		r.mu.Unlock()
		r.pauseAnswers(want)
	}
}

// pauseAnswers waits until it is worth to look again.
func (r *room) pauseAnswers(want sharedText) {
	e := r.eng
	var ready <-chan struct{} // nil: never
	if want != nil {
		ready = want.Ready()
	}
	pause := make(chan struct{})
	t := e.clock.AfterFunc(answerPause, func() { close(pause) })
	defer t.Stop()
	select {
	case <-ready:
	case <-pause:
	case <-e.ctx.Done():
	}
}

// serveAll answers who can be answered, and refuses who waited too long. The lock
// is held.
func (r *room) serveAll() {
	now := r.eng.clock.Now()
	r.askers = slices.DeleteFunc(r.askers, func(a *asker) bool {
		err := r.serve(a)
		switch {
		case !errors.Is(err, errLater):
		case r.eng.draining.Load():
			err = errShuttingDown
		case !now.Before(a.until):
			err = errAnswerLate
			r.eng.logLate(r.id, a.sock)
		default:
			return false
		}
		a.done <- err
		return true
	})
	if !slices.ContainsFunc(r.askers, func(a *asker) bool { return !a.sock.peer.busy() }) {
		r.dropWant() // nobody could be sent it
	}
}

// serve answers a request if that is possible now. The lock is held.
func (r *room) serve(a *asker) error {
	if a.mute || a.sock.gone() {
		return a.give(nil)
	}
	if !a.share && r.isSmall() {
		return a.give(&snapshot{seq: r.at()})
	}
	if a.sock.peer.busy() {
		return errLater
	}
	snap := r.snapshotNow()
	if snap == nil {
		return errLater
	}
	return a.give(snap)
}

// snapshotNow is the room as it stands; nil while it waits for its turn to be made.
// The lock is held.
func (r *room) snapshotNow() *snapshot {
	now := r.eng.clock.Now()
	if s := r.snap; s != nil && s.seq == r.at() && now.Sub(s.made) < snapshotLife {
		return s
	}
	if r.want == nil {
		r.want = r.eng.share(r.snapshotSize())
	}
	select {
	case <-r.want.Ready():
	default:
		return nil
	}
	r.forgetSnapshot()
	r.snap = &snapshot{seq: r.at(), made: now, text: r.want}
	r.want = nil
	r.snap.text.Set(r.appendSnapshot(make([]byte, 0, r.snapshotSize())))
	return r.snap
}

// forgetSnapshot gives up the room's own use of its snapshot. The lock is held.
func (r *room) forgetSnapshot() {
	if r.snap != nil {
		r.snap.text.Release()
		r.snap = nil
	}
}

// dropWant leaves the queue for a snapshot that nobody waits for any more. The
// lock is held.
func (r *room) dropWant() {
	if r.want != nil {
		r.want.Release()
		r.want = nil
	}
}

// memberText is how much a member takes in a snapshot at most, ids and state apart.
const memberText = 160

// snapshotSize is about how long the room's snapshot is. The lock is held.
func (r *room) snapshotSize() int {
	size := 2
	for _, m := range r.members {
		size += memberText + len(m.ConnID) + len(m.UserID) + len(m.State)
	}
	return size
}

// isSmall tells whether the room's snapshot is below shareFrom. The lock is held.
func (r *room) isSmall() bool {
	return len(r.members) < shareFrom/memberText && r.snapshotSize() < shareFrom
}

func (r *room) appendSnapshot(dst []byte) []byte {
	dst = append(dst, '[')
	first := true
	for _, m := range r.members {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"connId":`...)
		dst = jsontext.AppendString(dst, m.ConnID)
		dst = append(dst, `,"userId":`...)
		dst = jsontext.AppendString(dst, m.UserID)
		dst = append(dst, `,"state":`...)
		dst = append(dst, m.State...)
		dst = appendInt(dst, `,"lastSeenMs":`, r.lastSeenMs(m))
		dst = appendInt(dst, `,"joinedMs":`, m.JoinedMs)
		dst = appendInt(dst, `,"epoch":`, m.Epoch)
		dst = append(dst, `,"status":"`...)
		dst = append(dst, statusOf(m.Away)...)
		dst = append(dst, `"}`...)
	}
	return append(dst, ']')
}

// plainText is a sharedText that nobody counts.
type plainText struct{ text []byte }

func newPlainText(int) sharedText { return new(plainText) }

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Ready implements sharedText.
func (*plainText) Ready() <-chan struct{} { return closed }

// Set implements sharedText.
func (p *plainText) Set(text []byte) { p.text = text }

// Release implements sharedText.
func (*plainText) Release() {}
