//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// state of the world at one look.
type look struct {
	waiting []string // clients that are not yet where they want to be
	differ  []string // what does not agree
	of      []*life  // whom some of it is about
}

func (l *look) ok() bool { return len(l.waiting) == 0 && len(l.differ) == 0 }

// picture is a room as the first client in it sees it.
type picture struct {
	by      string
	digest  uint64
	members map[string]member
}

// look compares all maps with each other and with the truth.
func (w *world) look() (*look, map[string]*picture) {
	l := &look{}
	rooms := make(map[string]*picture)
	for _, c := range w.clients {
		c.look(l, rooms)
	}
	now := time.Now()
	w.truth.mu.Lock()
	defer w.truth.mu.Unlock()
	for _, room := range w.rooms {
		if p := rooms[room]; p != nil {
			w.truth.compare(l, room, p, now)
		}
	}
	return l, rooms
}

// look adds what one client has.
func (c *client) look(l *look, rooms map[string]*picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sess
	if s == nil {
		l.waiting = append(l.waiting, c.name+" has no connection")
		return
	}
	for _, r := range s.pending {
		if r.name != heartbeatName || time.Since(r.sent) > 2*time.Second {
			l.waiting = append(l.waiting, fmt.Sprintf("%s waits for an answer to %s in %q on %s since %s",
				c.name, r.name, r.room, s.node.name, stamp(r.sent)))
		}
	}
	for room := range c.want {
		v := s.views[room]
		if v == nil || !v.joined || v.inFlight > 0 {
			l.waiting = append(l.waiting, fmt.Sprintf("%s is not in %q", c.name, room))
			continue
		}
		p := rooms[room]
		if p == nil {
			rooms[room] = &picture{fmt.Sprintf("%s on %s", c.name, s.node.name), v.digest, maps.Clone(v.members)}
		} else if p.digest != v.digest {
			l.differ = append(l.differ, fmt.Sprintf("in %q %s on %s has not what %s has: %s",
				room, c.name, s.node.name, p.by, difference(v.members, p.members)))
		}
	}
}

// difference says what one map has and another has not.
func difference(a, b map[string]member) string {
	text := ""
	for _, id := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[id]; !ok {
			text += fmt.Sprintf("\n      more: %v", a[id])
		} else if x, y := a[id], b[id]; x.hash() != y.hash() {
			text += fmt.Sprintf("\n      %v, not %v", x, y)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[id]; !ok {
			text += fmt.Sprintf("\n      less: %v", b[id])
		}
	}
	return text
}

// compare holds a picture against the truth, whose lock is held.
func (t *truth) compare(l *look, room string, p *picture, now time.Time) {
	found := make(map[*life]bool, len(p.members))
	for _, m := range p.members {
		life := t.find(m.tag, room, m.ConnID, m.Epoch)
		if life == nil {
			l.differ = append(l.differ, fmt.Sprintf("in %q nobody knows of %v", room, m))
			continue
		}
		found[life] = true
		if _, may := life.place(now); !may {
			l.differ = append(l.differ, fmt.Sprintf("in %q a ghost: %v\n    %s", room, m, life.history()))
			l.of = append(l.of, life)
		}
		if life.phase == live && m.Status != "online" {
			l.differ = append(l.differ, fmt.Sprintf("in %q shown away: %v\n    %s", room, m, life.history()))
			l.of = append(l.of, life)
		}
	}
	for life := range t.rooms[room] {
		if must, _ := life.place(now); must && !found[life] {
			l.differ = append(l.differ, fmt.Sprintf("in %q missing for %s:\n    %s", room, p.by, life.history()))
			l.of = append(l.of, life)
		}
	}
}

// checkStates looks for acknowledged patches that are not in the members' states.
func (w *world) checkStates(rooms map[string]*picture) {
	w.truth.mu.Lock()
	defer w.truth.mu.Unlock()
	for room, p := range rooms {
		for _, m := range p.members {
			l := w.truth.find(m.tag, room, m.ConnID, m.Epoch)
			if l == nil || l.phase != live && l.phase != graced {
				continue
			}
			values := make(map[string]json.RawMessage)
			_ = json.Unmarshal(m.State, &values)
			for key := range patchKeys {
				var value int64
				_ = json.Unmarshal(values[fmt.Sprintf("k%d", key)], &value)
				if value < l.acked[key] || value > l.sent[key] {
					w.tally.complain(lostPatch, "k%d is %d, acknowledged %d, sent %d: %v\n    %s",
						key, value, l.acked[key], l.sent[key], m, l.history())
					l.acked[key] = value // said once
				}
			}
		}
	}
}

// askReplicas lets one client of each room and node ask its node for the room.
func (w *world) askReplicas() {
	type place struct {
		n    *node
		room string
	}
	asked := make(map[place]bool)
	for _, c := range w.clients {
		c.mu.Lock()
		if s := c.sess; s != nil {
			for room, v := range s.views {
				if at := (place{s.node, room}); v.joined && v.inFlight == 0 && !asked[at] {
					asked[at] = true
					s.requestSync(room, -1)
				}
			}
		}
		c.mu.Unlock()
	}
}

// compareRedis holds what Redis has against the pictures.
func (w *world) compareRedis(rooms map[string]*picture) (differ []string) {
	for _, room := range w.rooms {
		p := rooms[room]
		if p == nil {
			continue
		}
		ids, err := w.store.connIDs(room)
		if err != nil {
			return []string{fmt.Sprintf("Redis: %v", err)}
		}
		for id := range ids {
			if _, ok := p.members[id]; !ok {
				differ = append(differ, fmt.Sprintf("in %q only Redis has %s", room, id))
			}
		}
		for id, m := range p.members {
			if !ids[id] {
				differ = append(differ, fmt.Sprintf("in %q Redis lacks %v", room, m))
			}
		}
	}
	return differ
}

// sayAgain is how often a long wait for agreement says what it waits for.
const sayAgain = 3 * time.Second

// String is how much does not agree, with an example.
func (l *look) String() string {
	text := fmt.Sprintf("%d clients wait, %d things differ", len(l.waiting), len(l.differ))
	for _, list := range [][]string{l.waiting, l.differ} {
		if len(list) > 0 {
			text += "\n  " + list[0]
		}
	}
	return text
}

// quiet waits until all agree, and returns when that was; the last look tells
// what did not if it never came.
func (w *world) quiet(limit time.Duration) (at time.Time, last *look) {
	said := time.Now()
	for end := said.Add(limit); ; time.Sleep(30 * time.Millisecond) {
		l, rooms := w.look()
		at = time.Now()
		if !l.ok() {
			if at.Sub(said) > sayAgain {
				said = at
				w.cfg.Log("%s: %v", stamp(at), l)
			}
			if at.After(end) || w.ctx.Err() != nil {
				return at, l
			}
			continue
		}
		return w.quietDeep(at, end, rooms)
	}
}

// quietDeep goes on when all maps agree: the nodes' replicas and Redis have to
// as well, and no acknowledged patch is missing.
func (w *world) quietDeep(at, end time.Time, rooms map[string]*picture) (time.Time, *look) {
	w.askReplicas()
	for ; ; time.Sleep(30 * time.Millisecond) {
		l, now := w.look()
		if l.ok() {
			rooms = now
			l.differ = w.compareRedis(rooms)
		}
		if l.ok() {
			w.checkStates(rooms)
			return at, l
		}
		if time.Now().After(end) || w.ctx.Err() != nil {
			return at, l
		}
	}
}

// judge looks at every leave, and every join that is suspicious.
func (w *world) judge(r *Row, back time.Time) {
	t := w.truth
	t.mu.Lock()
	defer t.mu.Unlock()
	j := judgement{w, r, back, make(map[*life]bool), make(map[string]int)}
	for _, s := range w.tally.takeSights() {
		l := t.find(s.tag, s.event.RoomID, s.event.ConnID, s.event.Epoch)
		switch {
		case l == nil:
			w.tally.complain(otherFault, "%s saw at %s, and nobody knows of it: %v", s.by, stamp(s.at), s.event)
		case s.what == leaving:
			j.leave(s, l)
		case s.what == returning && l.spared == 0:
			w.tally.complain(falseJoin, "%s saw at %s somebody who had left: %v\n    %s", s.by, stamp(s.at), s.event, l.history())
		case s.what == again && len(t.conns[connKey(l.room, l.connID)]) < 2: // else its socket joined again
			w.tally.complain(falseJoin, "%s saw at %s somebody who was there: %v\n    %s", s.by, stamp(s.at), s.event, l.history())
		}
	}
	r.Ghosts = len(j.ghosts)
}

// judgement is a round being judged; the truth's lock is held.
type judgement struct {
	w       *world
	r       *Row
	back    time.Time
	ghosts  map[*life]bool
	excused map[string]int // by observer and life
}

func (j *judgement) leave(s sight, l *life) {
	right, byExcuse := l.rightLeave(s.at, s.event.Reason)
	switch {
	case !right:
		j.w.tally.complain(falseLeave, "%s saw at %s: %v\n    %s", s.by, stamp(s.at), s.event, l.history())
	case byExcuse:
		j.r.Excused++
		l.spared++
		if j.excused[s.by+l.tag]++; j.excused[s.by+l.tag] > 1 {
			j.w.tally.complain(falseLeave, "%s saw it leave twice: %v\n    %s", s.by, s.event, l.history())
		}
	case !l.deathOf().IsZero():
		death := l.deathOf()
		if death.Before(j.back) {
			death = j.back
		}
		j.ghosts[l] = true
		j.r.gone = append(j.r.gone, max(s.at.Sub(death), 0))
	}
}

// deathOf is when a life ended without saying so; zero if it did not.
func (l *life) deathOf() time.Time {
	if l.died.IsZero() && l.phase == graced {
		return l.until
	}
	return l.died
}

// forget drops the lives that are over from the rooms; they can still be found.
func (t *truth) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, lives := range t.rooms {
		maps.DeleteFunc(lives, func(l *life, _ bool) bool {
			must, may := l.place(now)
			return !must && !may
		})
	}
}
