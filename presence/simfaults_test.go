package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// fault is a class of what goes wrong in a simulation.
type fault int

const (
	faultCrash  fault = iota // a node ends, as by kill -9
	faultFreeze              // a node stands still, as by SIGSTOP, and goes on
	faultWipe                // the store loses everything
	faultRewind              // the store loses what was written last
	faultFail                // a call fails, carried out or not
	faultHang                // a call is answered by nobody
	faultLate                // and is carried out when its caller gave up
	faultDrop                // an event is lost on the bridge
	faultDelay               // events are late
	faultGap                 // a node's subscriptions are interrupted
	faultCount
)

var faultNames = [faultCount]string{
	"node crash", "node freeze", "store wiped", "store rewound", "call fails", "call hangs", "call runs late",
	"event lost", "event late", "subscriptions interrupted",
}

type faultSet [faultCount]bool

// tally counts the schedules in which a class of fault occurred.
type tally struct {
	mu    sync.Mutex
	seeds int
	with  [faultCount]int
}

func (y *tally) add(happened faultSet) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.seeds++
	for f, yes := range happened {
		if yes {
			y.with[f]++
		}
	}
}

func (y *tally) String() string {
	lines := []string{fmt.Sprintf("%d schedules, of these with", y.seeds)}
	for f, n := range y.with {
		lines = append(lines, fmt.Sprintf("%8d  %s", n, faultNames[f]))
	}
	return strings.Join(lines, "\n")
}

// check fails when a class of fault is too rare for its absence to be noticed.
func (y *tally) check(t *testing.T) {
	for f, n := range y.with {
		if n < y.seeds/5 {
			t.Errorf("%s: only in %d of %d schedules", faultNames[f], n, y.seeds)
		}
	}
}

// simNode is a node with its own way to the store, that can stand still.
type simNode struct {
	eng    *engine
	ids    []string // all that it had
	link   *storetest.Faulty
	frozen bool
	ended  time.Time // when it crashed
	queue  []func()  // what clients sent while it did
}

// index is the key of the index of what the node holds.
func (n *simNode) index() string { return "{node:" + n.eng.self() + "}:conns" }

// nodeClock is the clock of a node: while that stands still, no timer fires.
type nodeClock struct {
	systemClock
	link *storetest.Faulty
}

func (c nodeClock) AfterFunc(d time.Duration, f func()) timer {
	return c.systemClock.AfterFunc(d, func() {
		if c.link.Wait() {
			f()
		}
	})
}

func (s *simulation) addNode() {
	n := &simNode{link: storetest.NewFaulty(s.mem, storetest.Plan{})}
	eng, err := s.w.start(n.link, nodeClock{link: n.link})
	if err != nil {
		s.w.t.Fatal(err)
	}
	n.eng = eng
	n.link.SetPlan(s.plan(s.seed<<8 + uint64(len(s.w.nodes)+s.count)))
	s.mu.Lock()
	s.nodes = append(s.nodes, n)
	s.mu.Unlock()
	s.log("node", eng.self())
}

// running are the nodes that did not crash.
func (s *simulation) running() []*simNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.nodes)
}

func (s *simulation) isFrozen(n *simNode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return n.frozen
}

// plan is what goes wrong between a node and the store.
func (s *simulation) plan(seed uint64) storetest.Plan {
	share := func(f fault, rate float64) float64 {
		if s.enabled[f] {
			return rate
		}
		return 0
	}
	plan := storetest.Seeded(seed, storetest.Rates{
		Before: share(faultFail, 0.03), After: share(faultFail, 0.03),
		Hang: share(faultHang, 0.015), HangLate: share(faultLate, 0.02),
		Drop: share(faultDrop, 0.03), Delay: share(faultDelay, 0.05), MaxDelay: 3 * time.Second,
	})
	dice := rand.New(rand.NewPCG(seed, 3))
	call, deliver := plan.Call, plan.Deliver
	plan.Call = func(c storetest.Call) storetest.Fault {
		f := call(c)
		if c.Method == "Beat" && dice.IntN(4) > 0 {
			f.Kind = storetest.None // or nodes are hardly ever steady
		}
		switch f.Kind {
		case storetest.FailBefore, storetest.FailAfter:
			s.occurred(faultFail)
		case storetest.Hang:
			s.occurred(faultHang)
		case storetest.HangLate:
			s.occurred(faultLate)
		}
		if c.Method != "Beat" && c.Method != "Positions" || f.Kind != storetest.None {
			s.log(c, f)
		}
		return f
	}
	plan.Deliver = func(room string) storetest.Delivery {
		d := deliver(room)
		if d.Drop {
			s.log("an event is lost", room)
			s.occurred(faultDrop)
		}
		if d.Delay > 0 {
			s.log("an event is late", room, d.Delay)
			s.occurred(faultDelay)
		}
		return d
	}
	return plan
}

func (s *simulation) occurred(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.happened[f] = true
}

// A promoted replica lags by at most maxRewind; data is lost again lossGap after
// the last time at the earliest.
const (
	maxRewind = 5 * time.Second
	lossGap   = 15 * time.Second
)

// strike lets something go wrong now and then.
func (s *simulation) strike() {
	now := func(f fault, rate float64) bool {
		hit := s.dice.Float64() < rate && s.enabled[f]
		if hit {
			s.log(faultNames[f])
			s.occurred(f)
		}
		return hit
	}
	if len(s.running()) > 1 && now(faultCrash, 0.04) {
		s.crash(pick(s.dice, s.running()))
	}
	if len(s.running()) < 3 && s.dice.IntN(10) == 0 {
		s.addNode()
	}
	if now(faultFreeze, 0.05) {
		s.freeze(pick(s.dice, s.running()), time.Duration(s.dice.IntN(15000))*time.Millisecond)
	}
	settled := time.Since(s.lastLoss) > lossGap
	if settled && now(faultWipe, 0.06) {
		s.lastLoss = time.Now()
		s.noteDead()
		s.w.lossy.Store(true)
		s.mem.Wipe()
		for _, n := range s.crashed { // its last writes may be on their way
			if time.Since(n.ended) < 5*time.Second {
				s.forget(n)
			}
		}
		s.noteSilent()
	}
	if s.rewind == nil || time.Since(s.saved) > maxRewind || s.dice.IntN(8) == 0 {
		s.rewind, s.saved = s.mem.Save(), time.Now()
	}
	rewinds := 0.04
	if s.leftOfLate() { // or it would hardly ever undo what is to be remembered
		rewinds = 0.5
	}
	if settled && time.Since(s.lastLoss) > lossGap && now(faultRewind, rewinds) {
		s.lastLoss = time.Now()
		s.noteDead()
		s.w.lossy.Store(true)
		s.rewind()
		s.rewind = nil
		for _, n := range s.running() {
			n.link.Interrupt(true)
		}
	}
	if now(faultGap, 0.04) {
		pick(s.dice, s.running()).link.Interrupt(false)
	}
}

// leftOfLate tells whether a member left for good since the store was saved, which
// a rewind would bring back.
func (s *simulation) leftOfLate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.seats {
		if b.over && b.overAt.After(s.saved) {
			return true
		}
	}
	return false
}

// crash ends a node: its clients lose their connections.
func (s *simulation) crash(n *simNode) {
	s.noteDead()
	s.noteForgotten(n)
	n.link.Kill()
	n.eng.close()
	n.ended = time.Now()
	s.crashed = append(s.crashed, n)
	for _, c := range s.w.clients {
		if c.sock.eng == n.eng {
			c.gone.Store(true)
		}
	}
	s.mu.Lock()
	s.nodes = without(s.nodes, n)
	s.mu.Unlock()
	s.w.nodes = without(s.w.nodes, n.eng)
	s.w.t.Cleanup(n.link.End)
}

func without[T comparable](list []T, x T) []T {
	var rest []T
	for _, y := range list {
		if y != x {
			rest = append(rest, y)
		}
	}
	return rest
}

// freeze lets a node stand still for a while.
func (s *simulation) freeze(n *simNode, d time.Duration) {
	s.mu.Lock()
	was := n.frozen
	n.frozen = true
	s.mu.Unlock()
	if was {
		return
	}
	n.link.Freeze()
	if time.Since(s.lastLoss) < keepMissing {
		s.noteSilent()
	}
	s.log("frozen for", d, n.eng.self())
	time.AfterFunc(d, func() { s.thaw(n) })
}

func (s *simulation) thaw(n *simNode) {
	s.mu.Lock()
	queue := n.queue
	n.queue, n.frozen = nil, false
	s.mu.Unlock()
	s.log("thawed", n.eng.self())
	n.link.Thaw()
	for _, f := range queue {
		f()
	}
}

// on does something to a client's socket, once its node can read it.
func (s *simulation) on(c *client, f func()) {
	s.mu.Lock()
	for _, n := range s.nodes {
		if n.eng == c.sock.eng && n.frozen {
			n.queue = append(n.queue, f)
			s.mu.Unlock()
			return
		}
	}
	s.mu.Unlock()
	f()
}

// calm ends everything that goes wrong.
func (s *simulation) calm() {
	time.Sleep(20 * time.Second) // nobody is frozen any more
	s.log("quiet now; held:", s.mem.Keys())
	for _, n := range s.running() {
		plan := storetest.Plan{}
		if *narrateFlag {
			plan.Call = func(c storetest.Call) storetest.Fault {
				if c.Method != "Beat" && c.Method != "Positions" {
					s.log(c)
				}
				return storetest.Fault{}
			}
		}
		n.link.SetPlan(plan)
	}
	// A member of a node that crashed right after the store forgot that node is
	// found by those who open its room.
	watcher := s.connect()
	for _, room := range simRooms {
		s.join(watcher, room, "watcher")
	}
}

func (s *simulation) end() {
	for _, n := range s.running() {
		s.w.t.Cleanup(n.link.End)
	}
}
