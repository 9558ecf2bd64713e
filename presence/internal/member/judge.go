// Package member is what only its owner knows of a member, and what follows when the store
// has something else: the verdict. It is pure: no clock, no store, no goroutine.
package member

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Verdict says what it means that the store has one thing of a member, and this node,
// which owns it, another.
type Verdict byte

// The verdicts, with what the owner does.
const (
	// Same: the last write that counts stands. Nothing is to be done.
	Same Verdict = iota + 1
	// Newer: a write of this node of which it had no answer stands. It counts.
	Newer
	// Older: the store lost the last writes, or has the member under an id that this node
	// had before it was declared dead. The owner writes the member again.
	Older
	// Orphaned: another node has the member without a socket, and the socket is here.
	// The owner takes it back; the life goes on.
	Orphaned
	// Moved: another socket has the member, or had it last, or another life of the connection stands.
	// It is not this node's any more.
	Moved
	// Gone: somebody removed the member. It is not this node's any more.
	Gone
	// Lost: the store lost the member. The owner writes it again; the life goes on.
	Lost
	// Reaped: others ended the life although the socket is here, because they took this
	// node for dead. A new life begins.
	Reaped
	// Undecided: the word of somebody who removed the member, or that the store lost it,
	// may be on its way. The owner looks again in a moment.
	Undecided
)

// NoticeTime is how long it may take to hear who removed a member, or that the store
// lost data.
const NoticeTime = 500 * time.Millisecond

// ResumeStep is by how much a resume raises the epoch of a member. All else raises it by one, or
// begins another life: a node that did not hear of a resume knows of it by the epoch of what came
// after it.
const ResumeStep = 1 << 10

// ResumedSince tells whether a member was resumed after a write of one epoch, if the same life
// stands, or ended, with another epoch.
func ResumedSince(written, epoch int64) bool { return epoch-written >= ResumeStep }

// Own is a member as its owner knows it.
type Own struct {
	Life string
	// Node is the id under which it was written last.
	Node         string
	Epoch, Write int64
	// Written is the epoch of its last write here. Epoch may be one that others wrote.
	Written int64
	GraceMs int64
	Online  bool // its socket is here
}

// Evidence is what else the owner knows.
type Evidence struct {
	// Ended is set when the life is known to have ended: for the reason, as a member of the
	// node EndedUnder, with the epoch EndedEpoch; 0: that is not known.
	Ended      bool
	Reason     store.Reason
	EndedUnder string
	EndedEpoch int64
	// OtherEnded is set when that is known of the life that the store has.
	OtherEnded bool
	// Renamed is set when this node has another id since it wrote the member: the others
	// declared it dead. Silence is how long it had given no life sign then.
	Renamed bool
	Silence time.Duration
	// Restoring is set when a write that brings the member back may have taken effect, or
	// not.
	Restoring bool
	// Node is how the id stands under which the member was written.
	Node store.NodeState
	// DataLoss is set when the store is known to have lost data lately; OtherRecord when
	// the room's record is not the one that this node knew: it was lost, or all had left.
	DataLoss, OtherRecord bool
	// Waited is how long the owner has known that something is wrong.
	Waited time.Duration
}

// Judge compares what the store has (nil: nothing) with what the owner knows.
func Judge(own *Own, stored *store.Member, ev *Evidence) Verdict {
	other := stored != nil && stored.Life != own.Life
	switch {
	case other && !ev.OtherEnded && stored.Epoch >= own.Epoch:
		return Moved
	case ev.Ended:
		return judgeEnded(own, ev)
	case other:
		return Older // the store went back to a life before this one
	case stored != nil:
		return judgeStored(own, stored, ev)
	}
	return judgeMissing(own, ev)
}

func judgeEnded(own *Own, ev *Evidence) Verdict {
	switch {
	case !own.Online || ev.Reason == store.ReasonKicked:
	case ResumedSince(own.Written, ev.EndedEpoch): // it was that socket's to the end
	case ev.Reason == store.ReasonLeave:
		// It was resumed elsewhere, and left there. This node may have restored it before it
		// heard that, so its own record may be what was removed.
	case ev.Reason == store.ReasonNodeLost || ev.EndedUnder == own.Node:
		// By a claimant. Or by a node that took the life for ended when the store had lost
		// it, and removed what this node restored: the record was this node's.
		return Reaped
	}
	return Gone
}

func judgeStored(own *Own, stored *store.Member, ev *Evidence) Verdict {
	switch {
	case stored.Owner == own.Node && ev.Renamed:
		return Older // the claimant of that id would end it
	case stored.Owner == own.Node && (stored.Epoch > own.Epoch || stored.Epoch == own.Epoch && stored.Write > own.Write):
		return Newer
	case stored.Owner == own.Node && stored.Epoch == own.Epoch && stored.Write == own.Write:
		return Same
	case stored.Owner == own.Node || stored.Epoch < own.Epoch:
		return Older
	case ResumedSince(own.Written, stored.Epoch): // and taken over after that, maybe
	case own.Online && stored.UntilMs > 0:
		return Orphaned
	}
	return Moved
}

func judgeMissing(own *Own, ev *Evidence) Verdict {
	switch {
	case ev.Renamed && !own.Online:
		return Gone // its grace was the claimant's, and is over
	case ev.Renamed && !ev.DataLoss && ev.Silence.Milliseconds() < own.GraceMs:
		return Gone // the claimant keeps it for its grace: it was resumed elsewhere, and left there
	case ev.Renamed:
		return Reaped
	case ev.Node == store.NodeDead:
		return Undecided // this node takes a new id first
	case ev.Restoring, ev.DataLoss, ev.Node == store.NodeUnknown:
		return Lost
	case ev.Waited < NoticeTime:
		return Undecided
	case ev.OtherRecord:
		return Lost
	}
	return Gone
}
