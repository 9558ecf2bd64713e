//go:build unix

package redisstore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const (
	// callTime is the deadline of each call.
	callTime = time.Second
	// lateTime is by how much a call is clearly past its deadline, on a machine
	// that has a lot else to do.
	lateTime = 3 * time.Second
	// healTime bounds every wait for things to work again.
	healTime = 30 * time.Second
)

// chat is a store in use: in each of its rooms somebody writes and publishes,
// one after the other, and somebody listens.
type chat struct {
	t     *testing.T
	name  string
	store *Store
	rooms []*chatRoom
	nodes *hearing
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex
	failed []error       // calls that did
	slow   time.Duration // the slowest call
}

type chatRoom struct {
	*chat
	id    string
	heard *hearing
	n     int            // of the last call, in store.Member.Write and as payload
	at    store.Position // of the last write
	acked []int          // casts that were answered
	fails int            // calls that failed
}

// hearing is what a subscription heard, in order.
type hearing struct {
	mu   sync.Mutex
	list []sound
	lost int // interruptions lately that told that writes may be lost
}

type sound struct {
	kind byte // 'e'vent, 'c'ast or 'i'nterruption
	n    int
}

func (h *hearing) add(kind byte, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, sound{kind, n})
}

func (h *hearing) HandleEvent(e store.Event) { h.add('e', int(e.Member.Write)) }

func (h *hearing) HandleCast(_ string, payload []byte) {
	n, _ := strconv.Atoi(string(payload))
	h.add('c', n)
}

func (h *hearing) HandleInterrupt(_ string, lost bool) {
	h.add('i', 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	if lost {
		h.lost++
	}
}

func (h *hearing) has(s sound) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.list, s)
}

// startChat opens a store, and listens in a number of rooms until the test ends.
func startChat(t *testing.T, name string, rooms int, o Options) *chat {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), healTime)
	defer cancel()
	o.Prefix = name + ":"
	s, err := Open(ctx, o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close(context.Background())) })
	c := &chat{t: t, name: name, store: s, nodes: &hearing{}}
	_, err = s.SubscribeNodes(ctx, c.nodes)
	must(t, err)
	for i := range rooms {
		r := &chatRoom{chat: c, id: "r" + strconv.Itoa(i), heard: &hearing{}}
		_, err := s.Subscribe(ctx, r.id, r.heard)
		must(t, err)
		c.rooms = append(c.rooms, r)
	}
	return c
}

// begin has everybody talk until heal, or the end of a test.
func (c *chat) begin(t *testing.T) {
	c.t, c.failed, c.slow = t, nil, 0
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	for _, r := range c.rooms {
		c.wg.Go(func() { r.talk(ctx) })
	}
	t.Cleanup(c.quiet)
}

// quiet ends the talk.
func (c *chat) quiet() {
	c.stop()
	c.wg.Wait()
}

func (r *chatRoom) slot() int { return redistest.Slot(r.store.keys.Room(r.id)) }

func (r *chatRoom) talk(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
			r.say(r.t.Context())
		}
	}
}

// say writes and publishes once; it reports whether both were answered.
func (r *chatRoom) say(ctx context.Context) bool {
	r.n++
	e1 := r.call(ctx, func(ctx context.Context) error {
		p := join(r.id, "c")
		p.Intent, p.Fence, p.From, p.Member.Write = store.IntentRestore, 1, r.at, int64(r.n)
		res, err := store.PutAndWait(ctx, r.store, p)
		if err == nil && res.Outcome != store.Applied {
			r.t.Errorf("%s: write %d in %s: %+v", r.name, r.n, r.id, res)
		}
		if err == nil {
			r.at = res.Position
		}
		return err
	})
	e2 := r.call(ctx, func(ctx context.Context) error {
		return r.store.Publish(ctx, r.id, []byte(strconv.Itoa(r.n)))
	})
	if e2 == nil {
		r.acked = append(r.acked, r.n)
	}
	return e1 == nil && e2 == nil
}

// call does one call and sees to what must hold of every one.
func (r *chatRoom) call(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	took := time.Since(begun)
	if took > callTime+lateTime {
		r.t.Errorf("%s: a call took %v: %v", r.name, took, err)
	}
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		r.t.Errorf("%s: %v", r.name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = max(r.slow, took)
	if err != nil {
		r.fails++
		r.failed = append(r.failed, err)
	}
	return err
}

// heal waits until everybody is answered and heard, and checks that nobody
// missed anything without being told so, and that those in the slots that were
// hurt were told that writes may be lost. Calls may have failed only if fails.
func (c *chat) heal(hurt func(slot int) bool, fails bool) {
	c.t.Helper()
	c.quiet()
	ctx, cancel := context.WithTimeout(c.t.Context(), healTime)
	defer cancel()
	begun := time.Now()
	if failed := c.failed; len(failed) > 0 && !fails {
		c.t.Errorf("%s: %d calls failed, with %v", c.name, len(failed), failed[0])
	}
	some := false
	for _, r := range c.rooms {
		some = some || hurt(r.slot())
		for !r.say(ctx) || !r.isHeard(ctx) {
			if ctx.Err() != nil {
				c.t.Fatalf("%s: %s does not work again; errors: %v", c.name, r.id, c.failed)
			}
			time.Sleep(10 * time.Millisecond)
		}
		r.check()
		c.warned(ctx, r.id, r.heard, hurt(r.slot()))
	}
	c.warned(ctx, "the channel of all", c.nodes, some)
	c.t.Logf("%s: works after another %v; %d calls failed, the slowest took %v",
		c.name, time.Since(begun).Round(time.Millisecond), len(c.failed), c.slow.Round(time.Millisecond))
}

// warned waits until somebody was told that writes may be lost, or checks that
// nobody was.
func (c *chat) warned(ctx context.Context, who string, h *hearing, want bool) {
	c.t.Helper()
	for {
		h.mu.Lock()
		lost := h.lost
		if !want || lost > 0 {
			h.lost = 0
		}
		h.mu.Unlock()
		switch {
		case !want && lost > 0:
			c.t.Errorf("%s: %s was told that writes may be lost", c.name, who)
			return
		case !want || lost > 0:
			return
		case ctx.Err() != nil:
			c.t.Fatalf("%s: %s was not told that writes may be lost", c.name, who)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// isHeard waits a little for what was said last.
func (r *chatRoom) isHeard(ctx context.Context) bool {
	for range 50 {
		if r.heard.has(sound{'e', r.n}) && r.heard.has(sound{'c', r.n}) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// check looks for what was not heard though nothing told that something may be
// missing: there must be no gap after the last interruption.
func (r *chatRoom) check() {
	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()
	heard := make(map[int]bool)
	since, written := 0, 0
	for _, s := range r.heard.list {
		switch {
		case s.kind == 'e' && s.n < written && r.name == "plain":
			// Its slot moved: what the two masters publish meets on the bus of
			// the cluster, in no order. Receivers see that by the seq.
		case s.kind == 'e' && s.n <= written:
			r.t.Errorf("%s: %s heard write %d after %d", r.name, r.id, s.n, written)
		case s.kind == 'e':
			written = s.n
		case s.kind == 'c':
			heard[s.n] = true
			if since < 0 {
				since = s.n
			}
		default:
			since = -1 // until the next cast
		}
	}
	for _, n := range r.acked {
		if n > since && !heard[n] {
			r.t.Errorf("%s: %s never heard %d, and nothing told it", r.name, r.id, n)
		}
	}
	r.heard.list, r.acked = nil, nil
}
