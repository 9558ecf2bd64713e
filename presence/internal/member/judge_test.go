package member

import (
	"fmt"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// One row says which member the owner knows, which one the store has, what else is
// known, and what that means. The owner is node "here" and knows the member in life
// "now", epoch 5, write 7.
func TestVerdict(t *testing.T) {
	const online, inGrace = true, false
	stands := func(owner string, epoch, write int64) *store.Member {
		return &store.Member{Life: "now", Owner: owner, Epoch: epoch, Write: write}
	}
	waiting := func(owner string, epoch int64) *store.Member { // without a socket
		return &store.Member{Life: "now", Owner: owner, Epoch: epoch, Write: 7, UntilMs: 1}
	}
	other := func(owner string, epoch int64) *store.Member {
		return &store.Member{Life: "other", Owner: owner, Epoch: epoch, Write: 7}
	}
	ended := func(reason store.Reason) Evidence { return Evidence{Ended: true, Reason: reason} }
	renamed := func(silence time.Duration) Evidence { return Evidence{Renamed: true, Silence: silence} }
	alive := Evidence{Node: store.NodeAlive}
	long := func(ev Evidence) Evidence {
		ev.Node, ev.Waited = store.NodeAlive, NoticeTime
		return ev
	}

	for _, c := range []struct {
		name   string
		online bool
		stored *store.Member
		ev     Evidence
		want   Verdict
	}{
		// The store has this life.
		{"the last write stands", online, stands("here", 5, 7), alive, Same},
		{"it stands although the store lost data", online, stands("here", 5, 7), Evidence{DataLoss: true}, Same},
		{"a write without an answer took effect", online, stands("here", 5, 8), alive, Newer},
		{"a join or restore without an answer took effect", online, stands("here", 6, 1), alive, Newer},
		{"the last write is lost", online, stands("here", 5, 6), alive, Older},
		{"the last epoch is lost", online, stands("here", 4, 9), alive, Older},
		{"what another node had before it came here is back", online, stands("there", 4, 9), alive, Older},
		{"another node took it, of an epoch like ours", online, stands("there", 5, 7), alive, Moved},
		{"another node took it, and has its socket", online, stands("there", 6, 8), alive, Moved},
		{"another node took it, and waits for its socket, which is here", online, waiting("there", 6), alive, Orphaned},
		{"that is so in the same epoch, too", online, waiting("there", 5), alive, Orphaned},
		{"it was resumed elsewhere, and taken over from there", online, waiting("there", 5+ResumeStep+1), alive, Moved},
		{"it was resumed elsewhere, and waits for that socket", online, waiting("there", 5+ResumeStep), renamed(0), Moved},
		{"it was taken over as often as there can be claimants", online, waiting("there", 5+ResumeStep-1), alive, Orphaned},
		{"another node took it, and its grace runs there", inGrace, waiting("there", 6), alive, Moved},
		{"it stands under an id that was declared dead", online, stands("here", 5, 7), renamed(0), Older},
		{"so does its grace", inGrace, waiting("here", 5), renamed(0), Older},
		{"so does a write without an answer", online, stands("here", 5, 8), renamed(0), Older},
		{"the claimant has it, and its socket is here", online, waiting("there", 6), renamed(0), Orphaned},

		// The store has another life of the connection.
		{"a later life stands", online, other("there", 6), alive, Moved},
		{"another life of the same epoch stands", online, other("there", 5), alive, Moved},
		{"a life from before this one is back", online, other("here", 4), alive, Older},
		{"a life that ended is back, of a higher epoch", online, other("there", 6), Evidence{OtherEnded: true}, Older},
		{"a later life stands, and this one ended", online, other("there", 6), ended(store.ReasonNodeLost), Moved},
		{"a life from before is back, and this one was kicked", online, other("here", 4), ended(store.ReasonKicked), Gone},
		{"a life from before is back, and this one was reaped", online, other("here", 4), ended(store.ReasonNodeLost), Reaped},
		{
			"a life that ended is back, and this one left", inGrace, other("there", 6),
			Evidence{Ended: true, Reason: store.ReasonLeave, OtherEnded: true}, Gone,
		},

		// This life has ended.
		{"it was kicked", online, nil, ended(store.ReasonKicked), Gone},
		{"it was kicked, and the store lost that", online, stands("here", 5, 7), ended(store.ReasonKicked), Gone},
		{"others took this node for dead", online, nil, ended(store.ReasonNodeLost), Reaped},
		{"they did, and the store lost that", online, stands("here", 5, 7), ended(store.ReasonNodeLost), Reaped},
		{"they did after it was resumed elsewhere", online, nil, Evidence{Ended: true, Reason: store.ReasonNodeLost, EndedEpoch: 5 + ResumeStep}, Gone},
		{"they did after a takeover", online, nil, Evidence{Ended: true, Reason: store.ReasonNodeLost, EndedEpoch: 6}, Reaped},
		{"others saw it leave in its grace", inGrace, nil, ended(store.ReasonNodeLost), Gone},
		{"it was resumed elsewhere, and left there", online, nil, ended(store.ReasonLeave), Gone},
		{"it left elsewhere, and was restored here before that was heard", online, nil, Evidence{Ended: true, Reason: store.ReasonLeave, EndedUnder: "here"}, Gone},
		{"somebody repeated a leave of before a loss", online, nil, Evidence{Ended: true, Reason: store.ReasonTimeout, EndedUnder: "here"}, Reaped},
		{"it was kicked as this node's", online, nil, Evidence{Ended: true, Reason: store.ReasonKicked, EndedUnder: "here"}, Gone},
		{"it was kicked while the store lost data", online, nil, Evidence{Ended: true, Reason: store.ReasonKicked, DataLoss: true}, Gone},

		// The store has nothing, and this node was declared dead.
		{"the claimant removed it", online, nil, renamed(time.Hour), Reaped},
		{"its grace at the claimant is over", online, nil, renamed(30 * time.Second), Reaped},
		{"it was resumed at the claimant, and left there", online, nil, renamed(30*time.Second - 1), Gone},
		{"that cannot be told when the store lost data", online, nil, Evidence{Renamed: true, DataLoss: true}, Reaped},
		{"its grace ended at the claimant", inGrace, nil, renamed(0), Gone},
		{"that is so when the store lost data, too", inGrace, nil, Evidence{Renamed: true, DataLoss: true}, Gone},

		// The store has nothing, and this node was not declared dead, as far as it knows.
		{"the node is dead, and about to hear that", online, nil, Evidence{Node: store.NodeDead, Waited: time.Hour}, Undecided},
		{"it is, while a restore is in doubt", online, nil, Evidence{Node: store.NodeDead, Restoring: true}, Undecided},
		{"a restore is in doubt", online, nil, Evidence{Node: store.NodeAlive, Restoring: true}, Lost},
		{"the store is known to have lost data", online, nil, Evidence{Node: store.NodeAlive, DataLoss: true}, Lost},
		{"the store does not know the node", online, nil, Evidence{Node: store.NodeUnknown}, Lost},
		{"nobody said why", online, nil, alive, Undecided},
		{"nobody said why for a while", online, nil, Evidence{Node: store.NodeAlive, Waited: NoticeTime - 1}, Undecided},
		{"nobody said why, and the record is another one", online, nil, Evidence{Node: store.NodeAlive, OtherRecord: true}, Undecided},
		{"nobody said why for long", online, nil, long(Evidence{}), Gone},
		{"nobody said why for long, and the record is another one", online, nil, long(Evidence{OtherRecord: true}), Lost},
		{"nobody said why for long in its grace", inGrace, nil, long(Evidence{}), Gone},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := Own{Life: "now", Node: "here", Epoch: 5, Written: 5, Write: 7, GraceMs: 30_000, Online: c.online}
			if got := Judge(&own, c.stored, &c.ev); got != c.want {
				t.Errorf("%s, want %s", name(got), name(c.want))
			}
		})
	}
}

// A plain member has no grace at a claimant: it was removed, however short the silence.
func TestVerdictOnAPlainMember(t *testing.T) {
	own := Own{Life: "now", Node: "here", Epoch: 5, Write: 7, Online: true}
	if got := Judge(&own, nil, &Evidence{Renamed: true}); got != Reaped {
		t.Errorf("%s, want %s", name(got), name(Reaped))
	}
}

func name(v Verdict) string {
	names := [...]string{Same: "same", Newer: "newer", Older: "older", Orphaned: "orphaned", Moved: "moved", Gone: "gone",
		Lost: "lost", Reaped: "reaped", Undecided: "undecided"}
	if int(v) < len(names) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("verdict %d", v)
}
