package presence

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// gatherTime is for how long questions are gathered before they are sent.
	gatherTime = 20 * time.Millisecond
	// answerTime is how long the other nodes have to say that they know better.
	answerTime = 500 * time.Millisecond
	// askingTime is for how long a question that can't be sent is tried: what other
	// nodes still show must be restored before they give it up.
	askingTime = keepMissing / 2
	// maxInquiry is how many members one message is about.
	maxInquiry = 256
)

// inquiries are the questions of a node to all others whether somebody removed
// members that the store does not have any more: those that it kept in grace, and
// those of other nodes that it shows on (kept.go). A failover makes nodes deaf for
// a while: a client may have resumed such a member elsewhere, and have left,
// without a word that was heard here. That the store lost data does not mean that
// it lost this member.
type inquiries struct {
	mu     sync.Mutex
	open   map[place]*inquiry
	unsent []*inquiry

	asked int // about members of other nodes, since the time below
	since time.Time
}

// inquiry is about one life of a member, up to an epoch.
type inquiry struct {
	place
	joinedMs, epoch int64
	told            *departure       // by who removed it
	then            func(*departure) // nil: nobody knows of it
}

// departureText is how nodes ask about a member, and tell that they removed it.
type departureText struct {
	Room     string `json:"room"`
	ConnID   string `json:"connId"`
	JoinedMs int64  `json:"joinedMs"`
	Epoch    int64  `json:"epoch"`
	Owner    string `json:"owner,omitempty"`
	Reason   Reason `json:"reason,omitempty"`
}

// inquire asks about a member in grace and then goes on, unless it was removed.
// The room's lock is held, and then too.
func (r *room) inquire(m *membership, then func()) {
	g := m.grace
	if g.over || m.restoring {
		return
	}
	m.restoring = true
	e := r.eng
	e.ask(&inquiry{
		place: place{r.id, m.connID}, joinedMs: m.joinedMs.Load(), epoch: m.epoch.Load(),
		then: func(told *departure) {
			if m.undecided(g, told) {
				m.isGone()
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if m.grace == g && !g.over && !m.leaving {
				then()
			}
		},
	})
}

// undecided ends the question about a member in grace. It reports whether that is
// still one, and was told to be gone.
func (m *membership) undecided(g *grace, told *departure) bool {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.grace != g || g.over {
		return false
	}
	m.restoring = false
	if told == nil {
		return false
	}
	r.noteLeft(told.ended(m.connID), told.reason, r.eng.clock.Now())
	return true
}

// ended is the member as it was at the end of its life.
func (t tombstone) ended(connID string) *store.Member {
	return &store.Member{ConnID: connID, Epoch: t.epoch, Owner: t.owner, JoinedMs: t.joinedMs}
}

func (e *engine) ask(q *inquiry) {
	i := &e.inquiries
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open == nil {
		i.open = make(map[place]*inquiry)
	}
	i.open[q.place] = q
	i.unsent = append(i.unsent, q)
	if len(i.unsent) == 1 {
		e.clock.AfterFunc(gatherTime, func() { e.start(e.sendInquiries) })
	}
}

// sendInquiries asks what was gathered, and waits for answers. It blocks.
func (e *engine) sendInquiries() {
	i := &e.inquiries
	i.mu.Lock()
	list := i.unsent
	i.unsent = nil
	i.mu.Unlock()
	texts := make([]departureText, len(list))
	for n, q := range list {
		texts[n] = departureText{Room: q.room, ConnID: q.connID, JoinedMs: q.joinedMs, Epoch: q.epoch}
	}
	if !e.askNodes(texts) {
		return
	}
	for _, q := range list {
		i.mu.Lock()
		if i.open[q.place] == q {
			delete(i.open, q.place)
		}
		told := q.told
		i.mu.Unlock()
		q.then(told)
	}
}

// askNodes sends questions to all nodes and gives them the time to answer. After
// askingTime it is as if nobody did. It reports false when the engine closed.
func (e *engine) askNodes(texts []departureText) bool {
	for until := e.clock.Now().Add(askingTime); e.clock.Now().Before(until); {
		err := e.castDepartures(castInquiry, texts)
		if err == nil {
			return e.sleep(answerTime)
		}
		e.faults.Warn("cannot ask other servers about members; trying again", "members", len(texts), "error", err)
		if !e.sleep(mendInterval) {
			return false
		}
	}
	return true
}

// castDepartures sends texts to all nodes. It blocks.
func (e *engine) castDepartures(kind byte, texts []departureText) error {
	for part := range slices.Chunk(texts, maxInquiry) {
		text, err := json.Marshal(part)
		if err != nil {
			return fmt.Errorf("encode members for other nodes: %w", err)
		}
		ctx, cancel := e.bounded()
		err = e.store.PublishNodes(ctx, append([]byte{kind}, text...))
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// heardDepartures takes what a node asked, or told.
func (e *engine) heardDepartures(kind byte, text []byte) {
	var texts []departureText
	if err := json.Unmarshal(text, &texts); err != nil {
		e.faults.Warn("question of another server about members not understood; does it run another version?", "error", err)
		return
	}
	if kind == castAnswer {
		e.inquiries.tell(texts)
		return
	}
	var known []departureText
	for _, t := range texts {
		if x, ok := e.departureOf(t); ok {
			known = append(known, departureText{t.Room, t.ConnID, x.joinedMs, x.epoch, x.owner, x.reason})
		}
	}
	if len(known) == 0 {
		return
	}
	e.start(func() {
		if err := e.castDepartures(castAnswer, known); err != nil {
			e.faults.Warn("cannot tell other servers who left", "members", len(known), "error", err)
		}
	})
}

// departureOf is what the node knows about the end of the life that is asked
// about, by what it did or heard.
func (e *engine) departureOf(t departureText) (tombstone, bool) {
	now := e.clock.Now()
	if x, ok := e.departed.ending(t, now); ok {
		return x, true
	}
	e.mu.Lock()
	r := e.rooms[t.Room]
	e.mu.Unlock()
	if r == nil {
		return tombstone{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.gone.of[t.ConnID]
	return x, x.ends(t, now)
}

// tell takes the answers to what is asked.
func (i *inquiries) tell(texts []departureText) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range texts {
		q := i.open[place{t.Room, t.ConnID}]
		if q != nil && q.joinedMs == t.JoinedMs && q.epoch <= t.Epoch {
			q.told = &departure{place: q.place, tombstone: tombstone{epoch: t.Epoch, owner: t.Owner, reason: t.Reason, joinedMs: t.JoinedMs}}
		}
	}
}
