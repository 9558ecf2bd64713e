package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

const testLease = 4 * time.Second

// world is some nodes on one store.
type world struct {
	t   *testing.T
	ctx context.Context
	mem *memstore.Store
	// members are the rooms in which each owner has a member, guarded by mu.
	mu      sync.Mutex
	members map[string]map[string]bool
	all     []*peer
	// shown has the hosts show the members of all owners. Without it there are no orphans.
	shown atomic.Bool
	// unknown has each host take its own members for some that it does not know.
	unknown atomic.Bool
}

// peer is a node with a host of the tests.
type peer struct {
	*Node
	w        *world
	link     *storetest.Faulty
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup
	draining atomic.Bool

	mu      sync.Mutex
	heard   []string                // calls of the host that say something
	reaped  map[string]int          // how often each room was
	fails   func(room string) error // nil: no room does
	onHeard func(what string)
	queues  bool // Run only adds to queue
	queue   []func()
}

// frozenClock is the clock of a node: while that stands still, no timer fires.
type frozenClock struct {
	clock.System
	link *storetest.Faulty
}

func (c frozenClock) AfterFunc(d time.Duration, f func()) clock.Timer {
	return c.System.AfterFunc(d, func() {
		if c.link.Wait() {
			f()
		}
	})
}

// inWorld runs f in fake time with that many nodes, which trust themselves.
func inWorld(t *testing.T, nodes int, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) { runWorld(t, memstore.New(memstore.Options{}), nodes, f) })
}

func runWorld(t *testing.T, mem *memstore.Store, nodes int, f func(w *world)) {
	w := &world{t: t, ctx: t.Context(), mem: mem, members: make(map[string]map[string]bool)}
	for range nodes {
		w.start()
	}
	time.Sleep(12*time.Second + renewInterval/2) // between two life signs
	f(w)
	for _, p := range w.all {
		p.end()
	}
	if err := mem.Close(w.ctx); err != nil {
		t.Error(err)
	}
}

// start adds a node.
func (w *world) start() *peer {
	w.t.Helper()
	p := w.newPeer()
	if err := p.Renew(p.ctx); err != nil {
		w.t.Fatal(err)
	}
	p.work.Go(func() { p.KeepAlive(p.ctx) })
	p.work.Go(func() { p.SweepOrphans(p.ctx) })
	return p
}

func (w *world) newPeer() *peer {
	p := &peer{w: w, reaped: make(map[string]int), link: storetest.NewFaulty(w.mem, storetest.Plan{})}
	p.ctx, p.cancel = context.WithCancel(w.ctx)
	p.Node = New(Options{
		Store: p.link, Host: p, Clock: frozenClock{link: p.link},
		Lease: testLease, StoreTimeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	w.all = append(w.all, p)
	return p
}

// end ends a node as kill -9 does.
func (p *peer) end() {
	p.link.Kill()
	p.cancel()
	p.work.Wait()
	p.link.End()
}

// joins has the node's members in rooms, as a host writes them: the entry first.
func (p *peer) joins(rooms ...string) {
	for _, room := range rooms {
		if err := p.w.mem.AddRoom(p.w.ctx, store.NodeRoom{Node: p.ID(), Room: room}); err != nil {
			p.w.t.Error(err)
		}
		p.w.put(p.ID(), room)
	}
}

// put adds a member, without an entry in the index.
func (w *world) put(owner, room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.members[owner] == nil {
		w.members[owner] = make(map[string]bool)
	}
	w.members[owner][room] = true
}

// left counts the rooms in which an owner has members.
func (w *world) left(owner string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.members[owner])
}

// indexed lists the rooms that the index has of a node.
func (w *world) indexed(id string) []string {
	rooms, _, err := w.mem.NodeRooms(w.ctx, id, "", 1<<20)
	if err != nil {
		w.t.Error(err)
	}
	return rooms
}

func (w *world) state(id string) store.NodeState {
	states, err := w.mem.NodeStates(w.ctx, []string{id})
	if err != nil {
		w.t.Error(err)
		return store.NodeUnknown
	}
	return states[0]
}

func (w *world) claimed(id string) bool {
	return slices.ContainsFunc(w.mem.Keys(), func(key string) bool { return strings.Contains(key, id) && strings.HasSuffix(key, ":claim") })
}

func (p *peer) hears(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, what)
	if p.onHeard != nil {
		p.onHeard(what)
	}
}

// listen has f called when the host hears something; what it did is seen after told.
func (p *peer) listen(f func(what string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onHeard = f
}

// told lists what the host has heard since the last call.
func (p *peer) told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.heard = nil }()
	return strings.Join(p.heard, ", ")
}

// failing has rooms fail from now on; with nil none does.
func (p *peer) failing(f func(room string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = f
}

// times is how often the node reaped a room.
func (p *peer) times(room string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reaped[room]
}

// The methods of Host.

func (p *peer) DeclaredDead(silence time.Duration) {
	p.hears(fmt.Sprint("declared dead after ", silence.Round(time.Second)))
}
func (p *peer) Reborn()        { p.hears("reborn") }
func (p *peer) DataLost()      { p.hears("data lost") }
func (p *peer) Draining() bool { return p.draining.Load() }

func (p *peer) Run(_ string, f func()) {
	if p.queues {
		p.queue = append(p.queue, f)
		return
	}
	p.Start(f)
}

func (p *peer) Start(f func()) bool {
	if p.ctx.Err() != nil {
		return false
	}
	p.work.Go(f)
	return true
}

func (p *peer) Owners() map[string][]string {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	owners := make(map[string][]string)
	for owner, rooms := range p.w.members {
		if p.w.shown.Load() && len(rooms) > 0 && (p.w.unknown.Load() || owner != p.ID()) {
			owners[owner] = slices.Collect(maps.Keys(rooms))
		}
	}
	return owners
}

func (p *peer) ReapRoom(ctx context.Context, owner, room string) error {
	p.mu.Lock()
	p.reaped[room]++
	fails := p.fails
	p.mu.Unlock()
	if fails != nil {
		if err := fails(room); err != nil {
			return err
		}
	}
	if !p.link.Wait() || ctx.Err() != nil {
		return errors.Join(store.ErrUnavailable, ctx.Err())
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	delete(p.w.members[owner], room)
	return nil
}

// failOnce is a plan by which the next call of a method fails.
func failOnce(method string) storetest.Plan {
	done := false
	return storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		if c.Method == method && !done {
			done, f.Kind = true, storetest.FailBefore
		}
		return f
	}}
}

// failAlways is a plan by which all calls of a method fail.
func failAlways(method string) storetest.Plan {
	return storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		if c.Method == method {
			f.Kind = storetest.FailBefore
		}
		return f
	}}
}

// forget has the store lose an entry of a node.
func (w *world) forget(p *peer, room string) {
	if err := w.mem.RemoveRoom(w.ctx, store.NodeRoom{Node: p.ID(), Room: room}); err != nil {
		w.t.Error(err)
	}
}
