//go:build unix

package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	wire "github.com/realtime-ai/realtime-message-go/internal/client"
)

// client is one that follows the protocol and behaves like many users at once.
type client struct {
	w     *world
	name  string
	user  string
	grace time.Duration // of its joins; 0 for a plain client

	mu    sync.Mutex
	dice  *rand.Rand
	sess  *session         // nil while it has no socket
	lives map[string]*life // by room: what it is a member of, or will resume
	want  map[string]bool  // the rooms that it wants to be in
	tags  int
	retry time.Time // when it asks again after a refusal
}

// pace is how long a client does nothing between two things, on average.
const pace = time.Second

// run lives until ctx is done, and leaves its socket open then.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		s := c.connect(ctx)
		if s == nil {
			c.rest(ctx, 50*time.Millisecond, 300*time.Millisecond)
			continue
		}
		for ctx.Err() == nil && c.turn(ctx, s) {
		}
		if ctx.Err() == nil {
			c.away(ctx, s)
		}
	}
}

// away is the time that a client is without a socket: now and then longer than
// it takes to be shown away, but not while clients are to rest.
func (c *client) away(ctx context.Context, s *session) {
	<-s.done
	c.rest(ctx, 20*time.Millisecond, 300*time.Millisecond)
	if !s.dropping || c.chance(2) {
		return
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && !c.w.resting.Load() && ctx.Err() == nil; {
		c.rest(ctx, 20*time.Millisecond, 100*time.Millisecond)
	}
}

func (c *client) chance(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dice.IntN(n) == 0
}

// rest does nothing for a while.
func (c *client) rest(ctx context.Context, least, most time.Duration) {
	c.mu.Lock()
	d := least + time.Duration(c.dice.Int64N(int64(most-least)+1))
	c.mu.Unlock()
	wait(ctx, d)
}

// connect opens a socket on one of the nodes that take clients.
func (c *client) connect(ctx context.Context) *session {
	c.mu.Lock()
	slot := c.w.pickSlot(c.dice)
	c.mu.Unlock()
	if slot == nil {
		return nil
	}
	n := slot.running()
	conn, err := wire.Dial(ctx, "http://"+slot.door.Addr())
	if err != nil {
		return nil
	}
	s := newSession(c, n, conn)
	if n == nil || slot.running() != n {
		conn.Close() // on which of two nodes is not known
		return nil
	}
	c.mu.Lock()
	c.sess = s
	c.mu.Unlock()
	c.w.going.Go(s.read)
	return s
}

// turn does one thing after a while; it reports false once the socket is gone.
func (c *client) turn(ctx context.Context, s *session) bool {
	c.mu.Lock()
	d := pace/2 + time.Duration(c.dice.Int64N(int64(pace)))
	if c.missing() {
		d = 20 * time.Millisecond
		if wait := time.Until(c.retry); wait > d {
			d = wait
		}
	}
	c.mu.Unlock()
	select {
	case <-time.After(d):
	case <-s.done:
		return false
	case <-ctx.Done():
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sess != s {
		return false
	}
	if c.tired(s) {
		c.close(s)
		return false
	}
	c.joinMissing(s)
	if c.w.resting.Load() {
		c.heartbeat(s)
		return true
	}
	return c.act(s)
}

// tired says whether the client has waited long enough for an answer to take
// its connection for dead.
func (c *client) tired(s *session) bool {
	patience := time.Duration(c.w.patience.Load())
	for _, r := range s.pending {
		if patience > 0 && time.Since(r.sent) > patience {
			return true
		}
	}
	return false
}

// act does one of the things that clients do.
func (c *client) act(s *session) bool {
	switch n := c.dice.IntN(100); {
	case n < 45:
		c.heartbeat(s)
	case n < 80:
		c.patch(s)
	case n < 84:
		c.hop(s)
	case n < 87:
		c.leaveForAWhile(s)
	case n < 90:
		if room, ok := c.anyJoined(s); ok {
			s.requestSync(room, -1)
		}
	case n < 94:
		c.drop(s) // and comes back
		return false
	case n < 95 && c.grace < 20*time.Second: // others would be shown for too long
		c.vanish(s)
		return false
	case n == 95 && !s.waiting() && !c.w.lossy.Load() && !c.w.truth.troubled(s.node):
		c.goodbye(s)
		return false
	}
	return true
}

// missing says whether there is a room to join.
func (c *client) missing() bool {
	for room := range c.want {
		if c.sess != nil && c.sess.views[room] == nil {
			return true
		}
	}
	return false
}

// joinMissing joins the rooms that the client wants to be in and is not.
func (c *client) joinMissing(s *session) {
	if time.Now().Before(c.retry) {
		return
	}
	for _, room := range slices.Sorted(maps.Keys(c.want)) {
		if s.views[room] == nil {
			c.join(s, room)
		}
	}
}

func (c *client) join(s *session, room string) {
	v := newView(room, observer{c, s, room})
	s.views[room] = v
	v.hold()
	payload := map[string]any{"roomId": room, "userId": c.user}
	if c.grace > 0 {
		payload["graceMs"] = c.grace.Milliseconds()
	}
	if before := c.lives[room]; before != nil {
		c.resume(s, v, before, payload)
		return
	}
	l := c.newLife(room)
	payload["state"] = map[string]any{"by": l.tag}
	c.w.truth.ask(l, s.node)
	s.send("presence:join", room, payload, func(a *answer) {
		switch {
		case a == nil:
			c.w.truth.unanswered(l, s.conn.ID())
		case !a.OK:
			c.refusedJoin(s, v, a)
			c.w.truth.refused(l, a.Code, s.conn.ID())
		default:
			c.lives[room] = l
			c.w.truth.joined(l, s.node, a)
			v.release(a)
		}
	})
}

func (c *client) newLife(room string) *life {
	c.tags++
	return &life{tag: fmt.Sprintf("%s.%d", c.name, c.tags), room: room, user: c.user, grace: c.grace}
}

// resume joins with the token of a membership that lost its socket.
func (c *client) resume(s *session, v *view, before *life, payload map[string]any) {
	t := c.w.truth
	payload["resume"] = before.token
	t.resuming(before, s.node)
	s.send("presence:join", v.room, payload, func(a *answer) {
		switch {
		case a == nil:
			t.resumeDoubted(before, "the connection was lost")
			c.shadow(s, v.room)
		case !a.OK:
			c.refusedJoin(s, v, a)
			t.resumeDoubted(before, a.Code)
			c.shadow(s, v.room)
		case a.Resumed:
			t.joined(before, s.node, a)
			v.release(a)
		default:
			if t.resumeDenied(before) {
				c.complain(falseLeave, "resume denied within the grace\n    %s", c.history(before))
			}
			l := c.newLife(v.room)
			c.lives[v.room] = l
			t.ask(l, s.node)
			t.joined(l, s.node, a)
			v.release(a)
			c.beat(s, v.room, map[string]any{"by": l.tag}, func(*answer) {}) // its state is empty so far
		}
	})
}

// shadow notes that a resume without a success may have been an ordinary join:
// its member has no tag.
func (c *client) shadow(s *session, room string) {
	l := c.newLife(room)
	c.w.truth.ask(l, s.node)
	c.w.truth.unanswered(l, s.conn.ID())
}

// refusedJoin forgets the view, so that the room is joined again.
func (c *client) refusedJoin(s *session, v *view, a *answer) {
	if a.Code != "unavailable" && a.Code != "shutting_down" {
		c.complain(otherFault, "join refused with %s: %s", a.Code, a.Error)
	}
	delete(s.views, v.room)
	c.retry = time.Now().Add(200*time.Millisecond + time.Duration(c.dice.Int64N(int64(300*time.Millisecond))))
	if a.Code == "shutting_down" {
		c.close(s)
	}
}

// anyJoined picks a room that the client is a member of by this socket.
func (c *client) anyJoined(s *session) (string, bool) {
	var rooms []string
	for room, v := range s.views {
		if v.joined && v.inFlight == 0 {
			rooms = append(rooms, room)
		}
	}
	if len(rooms) == 0 {
		return "", false
	}
	slices.Sort(rooms)
	return rooms[c.dice.IntN(len(rooms))], true
}

// heartbeat sends one without a patch; it must not wait for Redis.
func (c *client) heartbeat(s *session) {
	if room, ok := c.anyJoined(s); ok {
		c.beat(s, room, nil, func(*answer) {})
	}
}

// patch changes the member's state.
func (c *client) patch(s *session) {
	room, ok := c.anyJoined(s)
	if !ok {
		return
	}
	l := c.lives[room]
	key := c.dice.IntN(patchKeys)
	value := c.w.truth.patching(l, key)
	patch := map[string]any{fmt.Sprintf("k%d", key): value}
	if size := c.w.stateSize.Load(); size > 0 || l.filled {
		patch["fill"] = strings.Repeat("x", int(size))
		l.filled = size > 0
	}
	c.beat(s, room, patch, func(a *answer) {
		if a.OK && a.Changed {
			c.w.truth.patched(l, key, value)
		}
	})
}

func (c *client) beat(s *session, room string, patch map[string]any, then func(a *answer)) {
	l, v := c.lives[room], s.views[room]
	payload := map[string]any{"roomId": room, "epoch": v.epoch}
	if patch != nil {
		payload["patchState"] = patch
	}
	s.send(beatName(patch), room, payload, func(a *answer) {
		if a == nil {
			return
		}
		switch {
		case a.OK && a.Stale:
			c.complain(staleAnswer, "stale with the epoch %d of the join\n    %s", v.epoch, c.history(l))
		case a.OK && patch != nil && !a.Changed:
			c.complain(lostPatch, "a patch changed nothing\n    %s", c.history(l))
		case a.Code == "not_joined" && c.w.truth.robbed(l):
			c.close(s) // by its own doing: it resumes again
		case a.Code == "not_joined" && s.views[room] == v && !c.w.truth.ends(s.node):
			c.complain(staleAnswer, "not_joined to a member\n    %s", c.history(l))
			c.close(s)
		case !a.OK && a.Code != "unavailable" && a.Code != "shutting_down" && a.Code != "not_joined":
			c.complain(otherFault, "heartbeat refused with %s: %s", a.Code, a.Error)
		}
		then(a)
	})
}

// The names under which requests are counted. A patch is a heartbeat to the
// server.
const (
	heartbeatName = "presence:heartbeat"
	patchName     = "patch"
)

func beatName(patch map[string]any) string {
	if patch != nil {
		return patchName
	}
	return heartbeatName
}

func (c *client) history(l *life) string {
	c.w.truth.mu.Lock()
	defer c.w.truth.mu.Unlock()
	return l.history()
}

// hop leaves a room for another one, or comes back to one that it left.
func (c *client) hop(s *session) {
	room, ok := c.anyJoined(s)
	if !ok {
		return
	}
	c.leave(s, room, 0)
	delete(c.want, room)
	c.want[c.w.pickRoom(c.dice)] = true
}

// leaveForAWhile leaves a room with a grace and resumes there.
func (c *client) leaveForAWhile(s *session) {
	if room, ok := c.anyJoined(s); ok && c.grace > 0 {
		c.leave(s, room, c.grace)
	}
}

// leave leaves a room. With a grace it is joined again by resuming.
func (c *client) leave(s *session, room string, grace time.Duration) {
	l := c.lives[room]
	payload := map[string]any{"roomId": room}
	if grace > 0 {
		payload["graceMs"] = grace.Milliseconds()
	} else {
		delete(c.lives, room)
	}
	c.w.truth.leaving(l, grace)
	s.views[room].hold() // what comes until the answer is of no use
	s.send("presence:leave", room, payload, func(a *answer) {
		switch {
		case a == nil:
			c.w.truth.leaveDoubted(l)
		case c.w.truth.ends(s.node):
			c.w.truth.leaveDoubted(l)
		case !a.OK:
			c.complain(otherFault, "leave refused with %s: %s", a.Code, a.Error)
		}
		delete(s.views, room)
	})
}

// drop closes the socket without a word; the client comes back.
func (c *client) drop(s *session) { c.close(s) }

// vanish closes the socket without a word and never comes back to what it was
// a member of.
func (c *client) vanish(s *session) {
	lives := slices.Collect(maps.Values(c.lives))
	c.close(s)
	clear(c.lives)
	for _, l := range lives {
		c.w.truth.forsaken(l)
	}
}

// goodbye disconnects by a packet, which is a clean leave of every room.
func (c *client) goodbye(s *session) {
	for room, l := range c.lives {
		if v := s.views[room]; v != nil && v.joined { // else this socket is no member
			c.w.truth.leaving(l, 0)
		}
	}
	clear(c.lives)
	s.dropping = true
	_ = s.conn.Write([]byte("41"))
	time.AfterFunc(200*time.Millisecond, s.conn.Close) // after the server has read it
}

// close closes the socket as a client that dies does.
func (c *client) close(s *session) {
	s.dropping = true
	now := time.Now()
	for _, l := range c.lives {
		c.w.truth.lost(l, now, "closed by the client")
	}
	s.conn.Close()
}

func (c *client) complain(kind complaint, format string, args ...any) {
	c.w.tally.complain(kind, c.name+": "+format, args...)
}
