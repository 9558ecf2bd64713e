package presence

import (
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// askKept is how often the other nodes are asked about members that the store
// lost and that are shown on: by then their owners have restored most of them.
const askKept = 2 * time.Second

// followKept has the other nodes asked, now and then, about the members that are
// shown on, for as long as there are any. The lock is held.
func (r *room) followKept() {
	if !r.asking {
		r.asking = true
		r.eng.clock.AfterFunc(askKept, r.askAboutKept)
	}
}

// askAboutKept asks whether members that their owners have not restored yet had
// left: the store has no word of that, since it lost the member before.
func (r *room) askAboutKept() {
	e := r.eng
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking = false
	if e.ctx.Err() != nil {
		return
	}
	now, waiting := e.clock.Now(), false
	for id, m := range r.members {
		if !m.unsure || !now.Before(m.keepUntil) || r.owned[id] != nil {
			continue
		}
		waiting = true
		if e.inquiries.allow(now) {
			e.ask(&inquiry{
				place: place{r.id, id}, joinedMs: m.JoinedMs, epoch: m.Epoch,
				then: func(told *departure) { r.toldOf(&m.Member, told) },
			})
		}
	}
	if waiting {
		r.followKept()
	}
}

// toldOf takes what other nodes know of the end of a member: nil for nothing.
func (r *room) toldOf(m *store.Member, told *departure) {
	if told == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noteLeft(told.ended(m.ConnID), told.reason, r.eng.clock.Now())
	r.refetch() // shows the leave
}

// allow bounds the questions about members of other nodes to one message in each
// askKept: a large node that dies with the store's data is nothing to ask about.
func (i *inquiries) allow(now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.since) >= askKept {
		i.since, i.asked = now, 0
	}
	i.asked++
	return i.asked <= maxInquiry
}
