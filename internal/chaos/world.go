//go:build unix

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/tcpproxy"
)

// Config says what to run.
type Config struct {
	// Binary is the realtime command.
	Binary string
	// Dir is where the nodes' logs go.
	Dir string
	// Topology is one of Topologies.
	Topology string
	// Graces are what clients ask for by turns; 0 is a plain client.
	Graces []time.Duration
	// Clients is how many there are, Rooms how many rooms they share.
	Clients, Rooms int
	// Seed decides what clients do. Processes and clocks take part, so that a
	// seed repeats what was tried, not how it went.
	Seed uint64
	// Faults names those to do, in this order; nil is every one that the
	// topology knows.
	Faults []string
	// Log is told what happens; nil: silent.
	Log func(format string, args ...any)
}

// nodes is how many there are at a time.
const nodes = 3

// world is a cluster under test, with its clients.
type world struct {
	cfg     Config
	ctx     context.Context // of the clients; its end lets them stop what they do
	stop    context.CancelFunc
	going   sync.WaitGroup // clients and their readers
	store   *backend
	slots   []*slot
	clients []*client
	rooms   []string
	truth   *truth
	tally   *tally
	stalls  *stalls

	resting   atomic.Bool  // clients change nothing
	lossy     atomic.Bool  // connections may be lost
	stateSize atomic.Int64 // of what a patch carries besides
	patience  atomic.Int64 // nanoseconds that clients wait for an answer; 0: without a limit
	steady    time.Time    // since when the nodes' life signs run unbroken
	after     func() error // what is left to do once a round is judged
	serial    atomic.Int64 // of nodes
}

// slot is a place that a node runs in, behind one address for all its lives.
type slot struct {
	index int
	door  *tcpproxy.Proxy

	mu   sync.Mutex
	node *node
	open bool // clients are sent here
}

// newWorld starts Redis, the nodes and the clients.
func newWorld(ctx context.Context, cfg Config) (w *world, err error) {
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	w = &world{cfg: cfg, truth: newTruth(), tally: newTally("the start"), stalls: watchStalls()}
	w.ctx, w.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.store, err = startBackend(ctx, cfg.Topology, nodes); err != nil {
		return w, err
	}
	for i := range nodes {
		s := &slot{index: i}
		if s.door, err = tcpproxy.Start(tcpproxy.Config{Target: s.target}); err != nil {
			return w, err
		}
		w.slots = append(w.slots, s)
		if err = w.startNode(s); err != nil {
			return w, err
		}
	}
	w.steady = time.Now()
	names := [...]string{"room %d", "{tag}:%d", "a%%2Fb}%d{", "räume/%d"}
	for i := range cfg.Rooms {
		w.rooms = append(w.rooms, fmt.Sprintf(names[i%len(names)], i))
	}
	for i := range cfg.Clients {
		w.addClient(i)
	}
	return w, nil
}

// addClient starts a client; users have one, or two.
func (w *world) addClient(i int) {
	c := &client{
		w: w, name: fmt.Sprintf("c%d", i), user: fmt.Sprintf("user-%d", i*2/3),
		grace: w.cfg.Graces[i%len(w.cfg.Graces)],
		dice:  rand.New(rand.NewPCG(w.cfg.Seed, uint64(i))),
		lives: make(map[string]*life), want: make(map[string]bool),
	}
	for range 3 {
		c.want[w.pickRoom(c.dice)] = true
	}
	w.clients = append(w.clients, c)
	w.going.Go(func() {
		wait(w.ctx, time.Duration(c.dice.Int64N(int64(time.Second)))) // not all at once
		c.run(w.ctx)
	})
}

// pickRoom picks a room; some rooms are larger than others.
func (w *world) pickRoom(dice *rand.Rand) string {
	f := dice.Float64()
	return w.rooms[int(f*(0.4+0.6*f)*float64(len(w.rooms)))]
}

// pickSlot picks a slot that takes clients; nil if there is none.
func (w *world) pickSlot(dice *rand.Rand) *slot {
	for range 20 {
		s := w.slots[dice.IntN(len(w.slots))]
		s.mu.Lock()
		open := s.open
		s.mu.Unlock()
		if open {
			return s
		}
	}
	return nil
}

func (s *slot) running() *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}

func (s *slot) target() string {
	if n := s.running(); n != nil {
		return n.addr
	}
	return ""
}

func (s *slot) set(n *node, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node, s.open = n, open
}

// startNode starts a node in a slot, in the place of the one that was there.
func (w *world) startNode(s *slot) error {
	name := fmt.Sprintf("%s-node%d", w.cfg.Topology, w.serial.Add(1))
	n, err := startNode(w.cfg.Binary, w.cfg.Dir, name, "REDIS_URL="+w.store.url(s.index))
	if err != nil {
		return err
	}
	s.set(n, true)
	w.cfg.Log("%s serves in slot %d, log %s", name, s.index, filepath.Base(n.log))
	return nil
}

// wait lets time pass, or ends early with ctx.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// pause lets time pass in a fault.
func (w *world) pause(d time.Duration) { wait(w.ctx, d) }

// dropped judges the loss of a connection that the client did not end.
func (w *world) dropped(c *client, s *session, err error) {
	if w.lossy.Load() || w.ctx.Err() != nil || w.truth.troubled(s.node) {
		return
	}
	c.complain(otherFault, "the connection to %s was lost without a cause: %v", s.node.name, err)
}

// endSessions ends the sessions of all clients, and waits for them.
func (w *world) endSessions(end func(*client, *session)) {
	for _, c := range w.clients {
		c.mu.Lock()
		if c.sess != nil {
			end(c, c.sess)
		}
		c.mu.Unlock()
	}
	w.going.Wait()
}

// close ends everything that runs still.
func (w *world) close() {
	w.stop()
	w.endSessions((*client).close)
	for _, s := range w.slots {
		if n := s.running(); n != nil {
			n.kill()
		}
		s.door.Close()
	}
	if w.store != nil {
		w.store.close()
	}
	w.stalls.close()
}
