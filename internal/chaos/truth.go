//go:build unix

package chaos

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// slack is for what one machine's clocks and schedulers do to an order.
	slack = 500 * time.Millisecond
	// leaseTime is the nodes' default, and beatTime how old their last life sign
	// may be when they fall silent.
	leaseTime = 4 * time.Second
	beatTime  = time.Second
	// deadLinkTime is how long nodes take to give a connection up whose link died
	// without a close: ping interval, ping timeout, and 2 s.
	deadLinkTime = 30 * time.Second
	// patchKeys is how many keys of its state a member patches.
	patchKeys = 3
)

// truth is what the clients asked for and were answered: who is in which room.
type truth struct {
	mu    sync.Mutex
	lives map[string]*life          // by tag
	rooms map[string]map[*life]bool // those that may still be in a room
	conns map[string][]*life        // by room and connId, in the order of their joins
}

func newTruth() *truth {
	return &truth{
		lives: make(map[string]*life), rooms: make(map[string]map[*life]bool), conns: make(map[string][]*life),
	}
}

// phase is where a life stands.
type phase int

const (
	asking  phase = iota // its join is under way
	live                 // its join is acknowledged, its socket is up
	graced               // it lost its socket, and has until its grace ends to come back
	ended                // it is to be gone
	doubted              // its join was never answered: it may be there until its grace ends
)

func (p phase) String() string {
	return [...]string{"asking", "live", "in grace", "ended", "in doubt"}[p]
}

// life is one membership from its join to its end, resumes included. Guarded
// by the truth's mu.
type life struct {
	tag, room, user string
	connID, token   string
	grace           time.Duration
	node            *node // that its socket is on
	phase           phase
	until           time.Time     // graced and doubted: when the grace ends
	late            time.Duration // how much later than that it may still be shown
	leaveFrom       time.Time     // from when on its leave is right; zero: never
	died            time.Time     // when it ended without saying so; zero: it did not
	filled          bool          // its state is large
	firstEpoch      int64         // that of its join
	doubtedAt       time.Time     // when a resume last failed
	spared          int           // leaves that its node's silence excuses
	sent, acked     [patchKeys]int64
	notes           []string
}

func (l *life) note(format string, args ...any) {
	l.notes = append(l.notes, stamp(time.Now())+" "+fmt.Sprintf(format, args...))
}

func stamp(t time.Time) string { return t.Format("15:04:05.000") }

// history is all that is known of a life, for a complaint.
func (l *life) history() string {
	text := fmt.Sprintf("%s (%s of %s in %q, grace %v, %v)", l.tag, l.connID, l.user, l.room, l.grace, l.phase)
	for _, n := range l.notes {
		text += "\n      " + n
	}
	return text
}

// ask begins a life: its join is being sent.
func (t *truth) ask(l *life, n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.phase, l.node = asking, n
	l.note("join sent to %s", n.name)
	t.lives[l.tag] = l
	if t.rooms[l.room] == nil {
		t.rooms[l.room] = make(map[*life]bool)
	}
	t.rooms[l.room][l] = true
}

// joined makes a life live: a join or a resume of it is acknowledged.
func (t *truth) joined(l *life, n *node, a *answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.phase, l.node, l.connID, l.token = live, n, a.Self.ConnID, a.Self.Resume
	l.grace = time.Duration(a.Self.GraceMs) * time.Millisecond
	l.leaveFrom, l.died = time.Time{}, time.Time{}
	l.note("joined on %s as %s at seq %d, epoch %d, resumed %v", n.name, l.connID, a.Seq, a.Self.Epoch, a.Resumed)
	if key := connKey(l.room, l.connID); !slices.Contains(t.conns[key], l) {
		t.conns[key] = append(t.conns[key], l)
		l.firstEpoch = a.Self.Epoch
	}
	if !n.ended.IsZero() {
		t.lose(l, n.ended, "its node ends")
	}
}

// lost is the end of a life's socket, at a time, unless that was known.
func (t *truth) lost(l *life, at time.Time, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.phase == live {
		t.lose(l, at, why)
	}
}

func (t *truth) lose(l *life, at time.Time, why string) {
	l.note("socket on %s lost at %s: %s", l.node.name, stamp(at), why)
	l.leaveFrom = at.Add(l.grace)
	if l.grace == 0 {
		l.phase, l.died = ended, at
		return
	}
	l.phase, l.until, l.late = graced, at.Add(l.grace), 5*time.Second
}

func connKey(room, connID string) string { return room + "\x00" + connID }

// file lists a life under a connId. The lock is held.
func (t *truth) file(l *life, connID string) {
	l.connID = connID
	key := connKey(l.room, connID)
	t.conns[key] = append(t.conns[key], l)
}

// refused is a join that was answered with an error: if it took effect, most
// likely under the socket's id, it is undone.
func (t *truth) refused(l *life, code, socket string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file(l, socket)
	l.phase, l.leaveFrom = ended, time.Now().Add(-time.Minute)
	l.note("join refused: %s", code)
}

// unanswered is a join whose answer will never come. It may have taken effect:
// then its socket is lost.
func (t *truth) unanswered(l *life, socket string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file(l, socket)
	now := time.Now()
	l.phase, l.leaveFrom = doubted, now.Add(-time.Minute)
	l.until, l.late = now.Add(l.grace), 12*time.Second
	l.note("connection lost while joining")
}

// resuming notes a try to resume a life, and what came of it.
func (t *truth) resuming(l *life, n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.note("resume sent to %s", n.name)
}

// resumeDoubted is a resume without a success: if it took effect, the grace
// began again. It may also take effect later, and take the membership away from
// a socket that resumed it in the meantime.
func (t *truth) resumeDoubted(l *life, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.note("resume failed: %s", why)
	l.doubtedAt = time.Now()
	l.late = max(l.late, time.Since(l.until)+l.grace+12*time.Second)
}

// resumeDenied is a resume that was answered with a new membership. It reports
// whether the grace was still running, so that it should not have been. What
// remains of the life is to leave when its grace ends.
func (t *truth) resumeDenied(l *life) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.note("resume denied")
	return l.phase == graced && time.Now().Before(l.until.Add(-slack))
}

// leaving notes that a leave, or a clean disconnect, is being sent: from now
// on the life's leave is right. With a grace, once that is over.
func (t *truth) leaving(l *life, grace time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	l.note("leave sent, grace %v", grace)
	l.leaveFrom = now.Add(grace)
	if l.token == "" || grace == 0 {
		l.phase, l.leaveFrom = ended, now
		return
	}
	l.grace = grace
	l.phase, l.until, l.late = graced, now.Add(grace), 10*time.Second
}

// leaveDoubted is a leave whose answer will never come. If it was not carried
// out, the connection was lost without one; a node may find out late.
func (t *truth) leaveDoubted(l *life) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.note("connection lost while leaving")
	if l.phase == ended {
		l.phase = doubted
	}
	l.until, l.late = time.Now().Add(l.grace), deadLinkTime+12*time.Second
}

// forsaken is a life that its client will not come back to.
func (t *truth) forsaken(l *life) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.note("forsaken")
}

// nodeEnds is a node that is killed, or told to stop.
func (t *truth) nodeEnds(n *node, late time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.ended = time.Now()
	for _, lives := range t.rooms {
		for l := range lives {
			if l.node == n && l.phase == live {
				t.lose(l, n.ended, "its node ends")
			}
			if l.node == n {
				l.late = max(l.late, late)
			}
		}
	}
}

// silence notes that a node could give no life sign for a while. The grace of a
// member that lost its socket meanwhile may run since the node was taken for dead.
func (t *truth) silence(n *node, from, to time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.silences = append(n.silences, span{from, to})
	for _, lives := range t.rooms {
		for l := range lives {
			early := from.Add(leaseTime - beatTime + l.grace)
			if l.node == n && l.phase == graced && early.Before(l.until) {
				l.late += l.until.Sub(early)
				l.until, l.leaveFrom = early, early
			}
		}
	}
}

// trouble says whether a node's clients may have to wait for answers.
func (t *truth) trouble(n *node, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.troubled = yes
}

func (t *truth) troubled(n *node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.troubled || !n.ended.IsZero()
}

// silent reports whether a node is silent, or was within silenceEcho.
func (t *truth) silent(n *node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.troubled || slices.ContainsFunc(n.silences, func(s span) bool { return time.Since(s.to) < silenceEcho })
}

// silenceEcho is for how long after a node's silence others may take its members
// for dead, and bring them back.
const silenceEcho = 15 * time.Second

// ends says whether a node was killed or told to stop.
func (t *truth) ends(n *node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !n.ended.IsZero()
}

// find returns the life of a member that somebody has in a map: by its tag,
// else by its connId and epoch. Only a member that a resume made, when there was
// nothing to resume, has no tag for a while.
func (t *truth) find(tag, room, connID string, epoch int64) *life {
	if l := t.lives[tag]; l != nil {
		return l
	}
	var best *life
	for _, l := range t.conns[connKey(room, connID)] {
		if best == nil || l.firstEpoch <= epoch {
			best = l
		}
	}
	return best
}

// rightLeave says whether a leave heard at a time was right, and whether only
// the silence of a node excuses it. Why somebody left is not known to a node
// that only finds them missing, as one may that was silent.
func (l *life) rightLeave(at time.Time, reason string) (right, excused bool) {
	if !l.leaveFrom.IsZero() && !at.Before(l.leaveFrom.Add(-slack)) {
		return true, false
	}
	if l.node == nil || reason != "node_lost" && reason != "disconnect" {
		return false, false
	}
	for _, s := range l.node.silences { // a resumable member leaves when the grace is over that began then
		if at.After(s.from.Add(leaseTime-beatTime-slack+l.grace)) && at.Before(s.to.Add(silenceEcho+l.grace)) {
			return true, true
		}
	}
	return false, false
}

// place says whether a life must be in its room's maps, or may be.
func (l *life) place(now time.Time) (must, may bool) {
	switch l.phase {
	case live:
		return true, true
	case asking:
		return false, true
	case graced:
		return now.Before(l.until.Add(-slack)), now.Before(l.until.Add(l.late))
	case doubted:
		return false, l.grace > 0 && now.Before(l.until.Add(l.late))
	}
	return false, false
}

// rivalTime is how much later a resume that failed may still take effect: on a
// node that was frozen, or behind a dead link.
const rivalTime = 15 * time.Second

// robbed says whether a resume that failed may have taken the membership away
// from the socket that has it.
func (t *truth) robbed(l *life) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(l.doubtedAt) < rivalTime
}

// patching notes a patch that is being sent and returns the value to send.
func (t *truth) patching(l *life, key int) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.sent[key]++
	return l.sent[key]
}

// patched notes the acknowledgement of a patch.
func (t *truth) patched(l *life, key int, value int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.acked[key] = max(l.acked[key], value)
}
