package engine

import (
	"errors"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// SharedBody is a long text that the answers to several requests have in common.
type SharedBody interface {
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
	text SharedBody
}

const (
	// shareAbove is the size from which a snapshot is made once for all requests at the same
	// seq. For smaller ones sharing costs more than it saves.
	shareAbove = 16 << 10
	// snapshotLife is how long a snapshot serves a room in which nothing happens:
	// the life signs in it get old.
	snapshotLife = time.Second
	// answerTimeout is how long a request waits for its turn to be answered with a
	// snapshot.
	answerTimeout = 10 * time.Second
	// answerPause is how often waiting requests are looked at.
	answerPause = 20 * time.Millisecond
)

// errWait says that an answer cannot be given yet.
var errWait = errors.New("the answer has to wait")

// snapshotWaiter is a request that is to be answered with the room's snapshot.
type snapshotWaiter struct {
	sock *Socket
	// reply answers. It is called with the room's lock, and with nil when no answer
	// is wanted or the socket is gone. It may return errWait.
	reply   func(snap *snapshot) error
	noReply bool // no answer is wanted
	share   bool // the answer is a shared text, however small

	until time.Time
	done  chan error // has room
}

// answer answers a request as soon as the room's snapshot may be made and the socket does
// not have too much to send. It blocks for at most answerTimeout. All requests that wait
// in one room get the same snapshot. Called by operations of executors, without locks.
func (r *room) answer(a *snapshotWaiter) error {
	e := r.eng
	r.mu.Lock()
	if r.nextSnapshot == nil {
		if err := r.serve(a); !errors.Is(err, errWait) {
			r.mu.Unlock()
			return err
		}
	}
	a.until, a.done = e.clock.Now().Add(answerTimeout), make(chan error, 1)
	r.snapshotWaiters = append(r.snapshotWaiters, a)
	if !r.serving {
		r.serving = e.tryStart(r.serveWaiters)
	}
	r.mu.Unlock()
	select {
	case err := <-a.done:
		return err
	case <-e.ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		r.snapshotWaiters = slices.DeleteFunc(r.snapshotWaiters, func(other *snapshotWaiter) bool { return other == a })
		return store.ErrClosed
	}
}

// serveWaiters answers waiting requests until none are left.
func (r *room) serveWaiters() {
	for {
		r.mu.Lock()
		r.serveAll()
		if len(r.snapshotWaiters) == 0 || r.eng.ctx.Err() != nil {
			r.serving = false
			r.dropNextSnapshot()
			r.mu.Unlock()
			return
		}
		want := r.nextSnapshot
		r.mu.Unlock()
		r.pauseAnswers(want)
	}
}

// pauseAnswers waits until it is worth to look again.
func (r *room) pauseAnswers(want SharedBody) {
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

// serveAll answers the requests that can be answered, and refuses those that waited too
// long. The lock is held.
func (r *room) serveAll() {
	now := r.eng.clock.Now()
	r.snapshotWaiters = slices.DeleteFunc(r.snapshotWaiters, func(a *snapshotWaiter) bool {
		err := r.serve(a)
		switch {
		case !errors.Is(err, errWait):
		case r.eng.draining.Load():
			err = wire.ErrShuttingDown
		case !now.Before(a.until):
			err = wire.ErrAnswerLate
			r.eng.logSnapshotTimeout(r.id, a.sock)
		default:
			return false
		}
		a.done <- err
		return true
	})
	if !slices.ContainsFunc(r.snapshotWaiters, func(a *snapshotWaiter) bool { return !a.sock.conn.Busy() }) {
		r.dropNextSnapshot() // no socket could be sent it
	}
}

// serve answers a request if that is possible now. The lock is held.
func (r *room) serve(a *snapshotWaiter) error {
	if a.noReply || a.sock.gone() {
		return a.reply(nil)
	}
	if !a.share && r.isSmall() {
		return a.reply(&snapshot{seq: r.rep.Seq()})
	}
	if a.sock.conn.Busy() {
		return errWait
	}
	snap := r.snapshotNow()
	if snap == nil {
		return errWait
	}
	return a.reply(snap)
}

// snapshotNow is the snapshot of the room as it is now; nil while there is no memory for
// it. The lock is held.
func (r *room) snapshotNow() *snapshot {
	now := r.eng.clock.Now()
	if s := r.snap; s != nil && s.seq == r.rep.Seq() && now.Sub(s.made) < snapshotLife {
		return s
	}
	if r.nextSnapshot == nil {
		r.nextSnapshot = r.eng.Share(r.snapshotSize())
	}
	select {
	case <-r.nextSnapshot.Ready():
	default:
		return nil
	}
	r.forgetSnapshot()
	r.snap = &snapshot{seq: r.rep.Seq(), made: now, text: r.nextSnapshot}
	r.nextSnapshot = nil
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

// dropNextSnapshot gives up the place in the queue for memory when no request waits for a snapshot
// any more. The lock is held.
func (r *room) dropNextSnapshot() {
	if r.nextSnapshot != nil {
		r.nextSnapshot.Release()
		r.nextSnapshot = nil
	}
}

// snapshotSize is about how long the room's snapshot is. The lock is held.
func (r *room) snapshotSize() int {
	size := 2
	for m := range r.rep.All() {
		size += wire.MemberOverhead + len(m.ConnID) + len(m.UserID) + len(m.State)
	}
	return size
}

// isSmall tells whether the room's snapshot is below shareAbove. The lock is held.
func (r *room) isSmall() bool {
	return r.rep.Len() < shareAbove/wire.MemberOverhead && r.snapshotSize() < shareAbove
}

func (r *room) appendSnapshot(dst []byte) []byte {
	dst = append(dst, '[')
	first := true
	for m := range r.rep.All() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = wire.AppendMember(dst, &m.Member, r.rep.LastSeenMs(m))
	}
	return append(dst, ']')
}
