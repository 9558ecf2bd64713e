//go:build unix

package chaos

import (
	"bytes"
	"fmt"
	"hash/maphash"
)

// complaint is a kind of broken promise.
type complaint int

// The kinds of broken promises, in the order of the table's columns.
const (
	falseLeave  complaint = iota // a member left that was there
	falseJoin                    // a member joined that was there, or had left for good
	duplicate                    // an event twice, or a seq that does not rise
	gap                          // prev does not name the event before, or a change was missed
	lostPatch                    // an acknowledged patch that is not in the state
	staleAnswer                  // an answer that denies what the client was given
	otherFault                   // anything else that the protocol excludes
	complaints                   // how many kinds there are
)

// witness takes what a view sees.
type witness interface {
	complain(kind complaint, format string, args ...any)
	sawLeave(tag string, e *event)
	sawReturn(tag string, e *event) // a join of a member that was seen leaving
	sawAgain(tag string, e *event)  // a join of a member that is there
	mayHaveLeft() bool              // the socket's own member, for its node's silence
	requestSync(room string, seq int64)
}

// view is the map of a room's members that one socket keeps after the rules of
// the protocol, with a check of everything that the server promises. It is not
// safe for concurrent use.
type view struct {
	room    string
	own     string // the socket's connId in the room
	epoch   int64  // that of its join
	seq     int64
	members map[string]member
	digest  uint64 // of members, in any order

	inFlight int // joins and syncs under way
	held     []*event
	joined   bool
	gone     map[string]bool // tags of members that were seen leaving

	ackSeq, last, known int64 // see checkOrder
	byEvent             bool
	by                  witness
}

// member is an entry of the map; its tag says which life it is.
type member struct {
	entry
	tag string
}

func newView(room string, by witness) *view {
	return &view{room: room, members: make(map[string]member), gone: make(map[string]bool), by: by}
}

// hold notes that a join or a sync is being sent: events are held back.
func (v *view) hold() { v.inFlight++ }

// release handles the answer to a join or a sync; nil if there is none to come.
func (v *view) release(a *answer) {
	v.inFlight--
	if a != nil && a.OK {
		v.answered(a)
	}
	held := v.held
	v.held = nil
	for _, e := range held {
		v.take(e)
	}
}

func (v *view) answered(a *answer) {
	if !v.joined {
		v.joined, v.ackSeq, v.own, v.epoch = true, a.Seq, a.Self.ConnID, a.Self.Epoch
	}
	v.known, v.byEvent = max(v.known, a.Seq), false
	v.seq = a.Seq
	if a.Snapshot == nil {
		return
	}
	clear(v.members)
	v.digest = 0
	for _, m := range a.Snapshot {
		if _, twice := v.members[m.ConnID]; twice {
			v.by.complain(otherFault, "%s is twice in a snapshot of %q", m.ConnID, v.room)
		}
		v.put(m)
	}
	if _, ok := v.members[v.own]; !ok && !v.by.mayHaveLeft() {
		v.by.complain(otherFault, "the snapshot of %q at %d lacks its own member %s", v.room, a.Seq, v.own)
	}
}

// arrive takes an event in the order of the connection.
func (v *view) arrive(e *event) {
	if !v.joined {
		v.by.complain(otherFault, "an event before the join is acknowledged: %v", e)
		return
	}
	v.checkOrder(e)
	v.take(e)
}

// checkOrder holds an event against the ones before it: seqs rise, and prev
// is the last seq that the socket was told of by an event, or at most the one
// that it was told of by an answer.
func (v *view) checkOrder(e *event) {
	ownJoin := e.Type == "join" && e.ConnID == v.own
	switch {
	case v.last > 0 && e.Seq <= v.last, v.last == 0 && (e.Seq < v.ackSeq || e.Seq == v.ackSeq && !ownJoin):
		v.by.complain(duplicate, "seq is not above %d: %v", max(v.last, v.ackSeq), e)
	case v.byEvent && *e.Prev != v.known, !v.byEvent && *e.Prev > v.known:
		v.by.complain(gap, "prev does not name the event before, which was %d: %v", v.known, e)
	}
	v.last = max(v.last, e.Seq)
	v.known, v.byEvent = max(v.known, e.Seq), true
}

// take is what the protocol asks a client to do with an event.
func (v *view) take(e *event) {
	switch {
	case v.inFlight > 0:
		v.held = append(v.held, e)
	case e.Seq <= v.seq:
	case *e.Prev > v.seq:
		v.held = append(v.held, e)
		v.by.requestSync(v.room, v.seq)
	default:
		v.seq = e.Seq
		v.apply(e)
	}
}

func (v *view) apply(e *event) {
	old, known := v.members[e.ConnID]
	switch e.Type {
	case "leave":
		if !known {
			v.by.complain(duplicate, "a leave of nobody known: %v", e)
			break
		}
		v.remove(e.ConnID)
		v.gone[old.tag] = true
		v.by.sawLeave(old.tag, e)
	default:
		v.put(entry{ConnID: e.ConnID, UserID: e.UserID, State: e.State, Epoch: e.Epoch, Status: e.Status})
		tag := v.members[e.ConnID].tag
		switch {
		case e.Type == "join" && known:
			v.by.sawAgain(tag, e)
		case e.Type == "join" && v.gone[tag] && tag != "":
			v.by.sawReturn(tag, e)
		case e.Type == "update" && !known:
			v.by.complain(otherFault, "an update of nobody known: %v", e)
		}
	}
	conns := 0
	for _, m := range v.members {
		if m.UserID == e.UserID {
			conns++
		}
	}
	if conns != *e.UserConns {
		v.by.complain(otherFault, "userConns is %d, the map has %d: %v", *e.UserConns, conns, e)
	}
}

func (v *view) put(m entry) {
	v.remove(m.ConnID)
	v.members[m.ConnID] = member{m, tagOf(m.State)}
	v.digest ^= m.hash()
}

func (v *view) remove(connID string) {
	if m, ok := v.members[connID]; ok {
		v.digest ^= m.hash()
		delete(v.members, connID)
	}
}

var seed = maphash.MakeSeed()

// hash covers what must be the same for every observer. Epochs are not: a
// resume raises them unseen.
func (m *entry) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range [...]string{m.ConnID, m.UserID, m.Status, string(m.State)} {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

var tagLabel = []byte(`"by":"`)

// tagOf finds the tag that a state carries, "" for none.
func tagOf(state []byte) string {
	_, rest, found := bytes.Cut(state, tagLabel)
	if !found {
		return ""
	}
	tag, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(tag)
}

func (m member) String() string {
	return fmt.Sprintf("%s of %s %s %s", m.ConnID, m.UserID, m.Status, m.State)
}
