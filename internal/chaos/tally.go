//go:build unix

package chaos

import (
	"fmt"
	"sync"
	"time"
)

// worded is how many complaints of each kind are kept with their words in a
// round.
const worded = 10

// tally counts what one round brings. A world has one; begin resets it.
type tally struct {
	mu      sync.Mutex
	name    string
	counts  [complaints]int
	words   []string
	beats   []beat                   // of nodes that could answer
	slowest map[string]time.Duration // answer to any other request, by name
	refused int                      // joins and patches
	sights  []sight
}

// beat is a heartbeat that was answered.
type beat struct {
	sent time.Time
	took time.Duration
}

// sight is an event that a client saw and that is judged at the end of the round.
type sight struct {
	what    sighting
	by, tag string
	at      time.Time
	event   *event
}

func newTally(name string) *tally {
	t := &tally{}
	t.begin(name)
	return t
}

// begin starts a round.
func (t *tally) begin(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.name = name
	t.counts = [complaints]int{}
	t.words, t.beats, t.sights = nil, nil, nil
	t.slowest, t.refused = make(map[string]time.Duration), 0
}

func (t *tally) complain(kind complaint, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[kind]++
	if t.counts[kind] <= worded {
		t.words = append(t.words, fmt.Sprintf("%s %s: ", stamp(time.Now()), kindNames[kind])+fmt.Sprintf(format, args...))
	}
}

var kindNames = [complaints]string{
	"false leave", "false join", "duplicate", "gap", "lost patch", "stale answer", "broken promise",
}

// answered notes how long an answer took. One of a node that is in trouble
// itself says nothing.
func (t *tally) answered(r *request, a *answer, troubled bool) {
	if troubled {
		return
	}
	took := time.Since(r.sent)
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.name == heartbeatName {
		t.beats = append(t.beats, beat{r.sent, took})
		return
	}
	t.slowest[r.name] = max(t.slowest[r.name], took)
	if !a.OK {
		t.refused++
	}
}

// sighting is what is to be judged in an event.
type sighting int

const (
	leaving   sighting = iota // somebody left
	returning                 // somebody joined who had been seen leaving
	again                     // somebody joined who was there
)

func (t *tally) saw(s sight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sights = append(t.sights, s)
}

// takeSights hands over what is to be judged.
func (t *tally) takeSights() []sight {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.sights
	t.sights = nil
	return list
}

// observer is the witness of a session's view of a room.
type observer struct {
	c    *client
	s    *session
	room string
}

func (o observer) complain(kind complaint, format string, args ...any) {
	o.c.complain(kind, "in %q on %s: "+format, append([]any{o.room, o.s.node.name}, args...)...)
}

func (o observer) sawLeave(tag string, e *event)  { o.saw(leaving, tag, e) }
func (o observer) sawReturn(tag string, e *event) { o.saw(returning, tag, e) }
func (o observer) sawAgain(tag string, e *event)  { o.saw(again, tag, e) }

func (o observer) saw(what sighting, tag string, e *event) {
	o.c.w.tally.saw(sight{what, o.c.name + " on " + o.s.node.name, tag, time.Now(), e})
}

func (o observer) mayHaveLeft() bool { return o.c.w.truth.silent(o.s.node) }

func (o observer) requestSync(room string, seq int64) { o.s.requestSync(room, seq) }
