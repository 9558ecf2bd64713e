package rooms

import (
	"errors"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
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

// Acker takes the one acknowledgement of a request: a JSON object, of which
// it keeps nothing. It never blocks; without an acknowledgement asked for it does
// nothing.
type Acker interface {
	Answer(ack []byte)
	// AnswerShared is Answer for an acknowledgement in three parts. It reports false,
	// and leaves the request unanswered, while too much waits to be sent.
	AnswerShared(head []byte, text SharedBody, tail []byte) bool
	// Wanted reports whether an acknowledgement was asked for.
	Wanted() bool
}

// Snapshot is a room's members as text, at one seq.
type Snapshot struct {
	seq  int64
	made time.Time
	text SharedBody
}

const (
	// shareAbove is the size from which a snapshot is made once for all requests at the same
	// seq. For smaller ones sharing costs more than it saves.
	shareAbove = 16 << 10
	// SnapshotLife is how long a snapshot serves a room in which nothing happens:
	// the life signs in it get old.
	SnapshotLife = time.Second
	// AnswerTimeout is how long a request waits for its turn to be answered with a
	// snapshot.
	AnswerTimeout = 10 * time.Second
	// AnswerPause is how often waiting requests are looked at.
	AnswerPause = 20 * time.Millisecond
)

// ErrWait says that an answer cannot be given yet.
var ErrWait = errors.New("the answer has to wait")

// Recipient is the socket that gets an answer.
type Recipient interface {
	// Busy reports whether so much waits to be sent that a snapshot has to wait too.
	Busy() bool
	// Gone reports whether no answer can reach the client any more.
	Gone() bool
}

// SnapshotWaiter is a request that is to be answered with the room's snapshot.
type SnapshotWaiter struct {
	To Recipient
	// Reply answers. It is called with the room's lock, and with nil when no answer
	// is wanted or the socket is gone. It may return ErrWait.
	Reply   func(snap *Snapshot) error
	NoReply bool // no answer is wanted
	Part    bool // the answer has a part of the room, which is made for it alone
	share   bool // the answer is a shared text, however small

	until time.Time
	done  chan error // has room
}

// Answer answers a request as soon as the room's snapshot may be made and the socket does
// not have too much to send. It blocks for at most AnswerTimeout, which is not part of the time
// that a request has for the store. All requests that wait
// in one room get the same snapshot. Called by operations of executors, without locks.
func (r *Room) Answer(a *SnapshotWaiter) error {
	rs := r.all
	r.Mu.Lock()
	if r.NextSnapshot == nil {
		if err := r.serve(a); !errors.Is(err, ErrWait) {
			r.Mu.Unlock()
			return err
		}
	}
	a.until, a.done = rs.Clock.Now().Add(AnswerTimeout), make(chan error, 1)
	r.SnapshotWaiters = append(r.SnapshotWaiters, a)
	if !r.Serving {
		r.Serving = rs.TryGo(r.serveWaiters)
	}
	r.Mu.Unlock()
	select {
	case err := <-a.done:
		return err
	case <-rs.Ctx.Done():
		r.Mu.Lock()
		defer r.Mu.Unlock()
		r.SnapshotWaiters = slices.DeleteFunc(r.SnapshotWaiters, func(other *SnapshotWaiter) bool { return other == a })
		return store.ErrClosed
	}
}

// serveWaiters answers waiting requests until none are left.
func (r *Room) serveWaiters() {
	for {
		r.Mu.Lock()
		r.serveAll()
		if len(r.SnapshotWaiters) == 0 || r.all.Ctx.Err() != nil {
			r.Serving = false
			r.dropNextSnapshot()
			r.Mu.Unlock()
			return
		}
		want := r.NextSnapshot
		r.Mu.Unlock()
		r.pauseAnswers(want)
	}
}

// pauseAnswers waits until it is worth to look again.
func (r *Room) pauseAnswers(want SharedBody) {
	rs := r.all
	var ready <-chan struct{} // nil: never
	if want != nil {
		ready = want.Ready()
	}
	pause := make(chan struct{})
	t := rs.Clock.AfterFunc(AnswerPause, func() { close(pause) })
	defer t.Stop()
	select {
	case <-ready:
	case <-pause:
	case <-rs.Ctx.Done():
	}
}

// serveAll answers the requests that can be answered, and refuses those that waited too
// long. The lock is held.
func (r *Room) serveAll() {
	now := r.all.Clock.Now()
	r.SnapshotWaiters = slices.DeleteFunc(r.SnapshotWaiters, func(a *SnapshotWaiter) bool {
		err := r.serve(a)
		switch {
		case !errors.Is(err, ErrWait):
		case r.all.Stopping.Load():
			err = wire.ErrShuttingDown
		case !now.Before(a.until):
			err = wire.ErrAnswerLate
		default:
			return false
		}
		a.done <- err
		return true
	})
	if !slices.ContainsFunc(r.SnapshotWaiters, func(a *SnapshotWaiter) bool { return !a.To.Busy() }) {
		r.dropNextSnapshot() // no socket could be sent it
	}
}

// serve answers a request if that is possible now. The lock is held.
func (r *Room) serve(a *SnapshotWaiter) error {
	if a.NoReply || a.To.Gone() {
		return a.Reply(nil)
	}
	if !a.share && !a.Part && r.isSmall() {
		return a.Reply(&Snapshot{seq: r.Rep.Seq()})
	}
	if a.To.Busy() {
		return ErrWait
	}
	if a.Part {
		return a.Reply(&Snapshot{seq: r.Rep.Seq()})
	}
	snap := r.snapshotNow()
	if snap == nil {
		return ErrWait
	}
	return a.Reply(snap)
}

// snapshotNow is the snapshot of the room as it is now; nil while there is no memory for
// it. The lock is held.
func (r *Room) snapshotNow() *Snapshot {
	now := r.all.Clock.Now()
	if s := r.snap; s != nil && s.seq == r.Rep.Seq() && now.Sub(s.made) < SnapshotLife {
		return s
	}
	if r.NextSnapshot == nil {
		r.NextSnapshot = r.all.Share(r.snapshotSize())
	}
	select {
	case <-r.NextSnapshot.Ready():
	default:
		return nil
	}
	r.forgetSnapshot()
	r.snap = &Snapshot{seq: r.Rep.Seq(), made: now, text: r.NextSnapshot}
	r.NextSnapshot = nil
	snap := r.snap
	r.snapEnds = r.all.Clock.AfterFunc(SnapshotLife, func() {
		r.Mu.Lock()
		defer r.Mu.Unlock()
		if r.snap == snap {
			r.forgetSnapshot()
		}
	})
	r.snap.text.Set(r.appendSnapshot(make([]byte, 0, r.snapshotSize())))
	return r.snap
}

// forgetSnapshot gives up the room's own use of its snapshot. The lock is held.
func (r *Room) forgetSnapshot() {
	if r.snap != nil {
		r.snapEnds.Stop()
		r.snap.text.Release()
		r.snap, r.snapEnds = nil, nil
	}
}

// dropNextSnapshot gives up the place in the queue for memory when no request waits for a snapshot
// any more. The lock is held.
func (r *Room) dropNextSnapshot() {
	if r.NextSnapshot != nil {
		r.NextSnapshot.Release()
		r.NextSnapshot = nil
	}
}

// snapshotSize is about how long the room's snapshot is. The lock is held.
func (r *Room) snapshotSize() int {
	size := 2
	for m := range r.Rep.All() {
		size += wire.MemberOverhead + len(m.ConnID) + len(m.UserID) + len(m.State)
	}
	return size
}

// isSmall tells whether the room's snapshot is below shareAbove. The lock is held.
func (r *Room) isSmall() bool {
	return r.Rep.Len() < shareAbove/wire.MemberOverhead && r.snapshotSize() < shareAbove
}

func (r *Room) appendSnapshot(dst []byte) []byte {
	dst = append(dst, '[')
	begin := len(dst)
	for m := range r.Rep.All() {
		dst = r.appendMember(dst, begin, m)
	}
	return append(dst, ']')
}

// AnswerJoin acknowledges a join with the room as it is now. It reports false when too much
// is waiting to be sent to the client. The room's lock is held.
func (r *Room) AnswerJoin(a Acker, ack *wire.JoinAck, snap *Snapshot) bool {
	t := r.all.Texts.Get(SmallText)
	defer r.all.Texts.Put(t)
	t.B = wire.AppendJoinAck(t.B, ack, r.Rep.Seq())
	r.given = r.Rep.Seq()
	if ack.Format.Limit.Given {
		t.B = r.appendPart(t.B, "", int(ack.Format.Limit.Value), ack.ConnID)
		a.Answer(t.B)
		return true
	}
	if snap.text != nil {
		return a.AnswerShared(t.B, snap.text, r.answerEnd(&ack.Format))
	}
	t.B = append(r.appendSnapshot(t.B), r.answerEnd(&ack.Format)...)
	a.Answer(t.B)
	return true
}

// answerEnd is what stands behind the whole snapshot in an answer.
func (r *Room) answerEnd(f *wire.Format) []byte {
	if !f.Asked() {
		return closeObject
	}
	return wire.AppendPageEnd(nil, r.Rep.Total(), false, "")
}

// appendPart appends the members behind a place, at most limit and MaxBatch bytes of them, and own
// beyond that, and what stands behind them in an answer.
func (r *Room) appendPart(dst []byte, after string, limit int, own string) []byte {
	dst = append(dst, '[')
	begin, n, more, place := len(dst), 0, false, after
	for m := range r.Rep.Behind(after) {
		if n < limit {
			before := len(dst)
			dst = r.appendMember(dst, begin, m)
			if n == 0 || len(dst)-begin <= wire.MaxBatch {
				n, place = n+1, m.ConnID
				continue
			}
			dst, limit = dst[:before], n
		}
		if m.ConnID != own {
			more = true
			break
		}
	}
	if own > place {
		if m := r.Rep.Member(own); m != nil {
			dst = r.appendMember(dst, begin, m)
		}
	}
	return wire.AppendPageEnd(append(dst, ']'), r.Rep.Total(), more, place)
}

const (
	// manyMembers is from how many members on the text of one is kept: others will be sent it soon.
	manyMembers = 100
	// keptState is up to what size of its state that is worth its memory.
	keptState = 1 << 10
)

// appendMember appends a member of a list that begins at a place of dst.
func (r *Room) appendMember(dst []byte, begin int, m *replica.Member) []byte {
	if len(dst) > begin {
		dst = append(dst, ',')
	}
	if r.Rep.Len() < manyMembers || len(m.State) > keptState {
		return wire.AppendMember(dst, &m.Member, r.Rep.LastSeenMs(m))
	}
	now := r.all.Clock.Now()
	if m.Text == nil || now.Sub(m.Text.At) >= SnapshotLife {
		text := wire.AppendMember(nil, &m.Member, r.Rep.LastSeenMs(m))
		m.Text = &replica.Text{B: text, At: now}
	}
	return append(dst, m.Text.B...)
}

// AnswerPage answers a request for a part of the room's members.
func (r *Room) AnswerPage(to Recipient, p *wire.PageRequest, a Acker) error {
	return r.Answer(&SnapshotWaiter{To: to, NoReply: !a.Wanted(), Part: true, Reply: func(snap *Snapshot) error {
		if snap == nil {
			return nil
		}
		t := r.all.Texts.Get(SmallText)
		defer r.all.Texts.Put(t)
		r.given = snap.seq
		t.B = r.appendPart(wire.AppendPageAck(t.B, snap.seq), p.After, p.Limit, "")
		a.Answer(t.B)
		return nil
	}})
}

var closeObject = []byte{'}'}

// isCurrent reports whether a client that has applied everything up to seq has missed
// nothing. Numbers of events that are not shown to clients do not count. The lock is held.
func (r *Room) isCurrent(seq wire.Optional) bool {
	return seq.Given && r.Rep.IsCurrent(seq.Value)
}

// SmallText is enough for most acks and events but for the state.
const SmallText = 256

// SyncAsk is a sync of a client that has applied everything up to seq.
type SyncAsk struct {
	Seq wire.Optional
	A   Acker
}

// AnswerSyncs answers the syncs of a socket, all with one snapshot if their turn
// does not come one by one, in the format of its latest join, as the member own. It returns those that
// it could not answer, and why.
func (r *Room) AnswerSyncs(to Recipient, asks []SyncAsk, f wire.Format, own string) ([]SyncAsk, error) {
	t := r.all.Texts.Get(SmallText)
	defer r.all.Texts.Put(t)
	r.Mu.Lock()
	asks = r.answerUnchanged(t, asks)
	r.Mu.Unlock()
	if len(asks) == 0 {
		return nil, nil
	}
	part := f.Limit.Given
	err := r.Answer(&SnapshotWaiter{To: to, share: !part, Part: part, Reply: func(snap *Snapshot) error {
		if snap == nil {
			return nil
		}
		r.given = snap.seq
		t.B = wire.AppendSyncAck(t.B[:0], snap.seq)
		if part {
			t.B = r.appendPart(t.B, "", int(f.Limit.Value), own)
			for _, ask := range asks {
				ask.A.Answer(t.B)
			}
			asks = nil
			return nil
		}
		for len(asks) > 0 {
			if !asks[0].A.AnswerShared(t.B, snap.text, r.answerEnd(&f)) {
				return ErrWait
			}
			asks = asks[1:]
		}
		return nil
	}})
	return asks, err
}

// answerUnchanged answers those that have missed nothing, and returns the others.
// The lock is held.
func (r *Room) answerUnchanged(t *serial.Buffer, asks []SyncAsk) (changed []SyncAsk) {
	for _, ask := range asks {
		if !r.isCurrent(ask.Seq) {
			changed = append(changed, ask)
			continue
		}
		t.B = wire.AppendUnchanged(t.B[:0], r.Rep.Seq())
		ask.A.Answer(t.B)
	}
	return changed
}

// members is the replica's members. The lock is held.
func (r *Room) members() []wire.Member {
	members := make([]wire.Member, 0, r.Rep.Len())
	for m := range r.Rep.All() {
		members = append(members, PublicMember(&m.Member, r.Rep.LastSeenMs(m)))
	}
	return members
}

// PublicMember is a member as clients see it.
func PublicMember(m *store.Member, seenMs int64) wire.Member {
	return wire.Member{
		ConnID: m.ConnID, UserID: m.UserID, State: m.State, Epoch: m.Epoch, Status: wire.StatusOf(m.Away),
		LastSeen: time.UnixMilli(seenMs), Joined: time.UnixMilli(m.JoinedMs),
	}
}
