package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
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
	faultDrain               // a node is replaced by a new one, as by a deploy
	faultCut                 // a node has no way to the store for a while
	faultPart                // one server of the store loses what was written last, the others nothing
	faultNotice              // nodes learn late, each at another time, that the store lost data
	faultStep                // the store's clock is another one after it lost data
	faultCount
)

var faultNames = [faultCount]string{
	"node crash", "node freeze", "store wiped", "store rewound", "call fails", "call hangs", "call runs late",
	"event lost", "event late", "subscriptions interrupted", "node replaced", "node cut off", "part of the store rewound",
	"loss noticed late", "store's clock set",
}

// faultKeys are the letters by which -faults names the classes, in order.
const faultKeys = "0123456789abcde"

func (f fault) key() string { return faultKeys[f : f+1] }

type faultSet [faultCount]bool

// outcome is what one schedule has to tell.
type outcome struct {
	happened faultSet
	longest  [transientCount]time.Duration
}

// tally counts the schedules in which a class of fault occurred.
type tally struct {
	mu      sync.Mutex
	seeds   int
	with    [faultCount]int
	longest [transientCount]time.Duration
}

func (y *tally) add(o outcome) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.seeds++
	for f, yes := range o.happened {
		if yes {
			y.with[f]++
		}
	}
	for k, d := range o.longest {
		y.longest[k] = max(y.longest[k], d)
	}
}

func (y *tally) String() string {
	lines := []string{fmt.Sprintf("%d schedules, of these with", y.seeds)}
	for f, n := range y.with {
		lines = append(lines, fmt.Sprintf("%8d  %s", n, faultNames[f]))
	}
	lines = append(lines, "shown for longest beyond what excuses it:")
	for k, d := range y.longest {
		lines = append(lines, fmt.Sprintf("%8v  %v, of %v", d.Round(time.Millisecond), transient(k), transient(k).bound()))
	}
	return strings.Join(lines, "\n")
}

// check fails when a class of fault is too rare for its absence to be noticed.
func (y *tally) check(t *testing.T) {
	for f, n := range y.with {
		if n < y.seeds/8 {
			t.Errorf("%s: only in %d of %d schedules", faultNames[f], n, y.seeds)
		}
	}
}

// plan is what goes wrong between a node and the store.
func (s *simulation) plan(n *simNode, seed uint64) storetest.Plan {
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
		if s.isCut(n) {
			return storetest.Fault{Kind: storetest.FailBefore}
		}
		s.excuseCall(n, c, f)
		if c.Method != "Beat" && c.Method != "Positions" || f.Kind != storetest.None {
			s.log(n.name, c, f)
		}
		return f
	}
	plan.Deliver = func(room string) storetest.Delivery {
		d := deliver(room)
		if s.isCut(n) {
			return storetest.Delivery{Drop: true}
		}
		if d.Drop {
			s.log("an event is lost", n.name, room)
			s.occurred(faultDrop)
			s.missedEvent(n)
		}
		if d.Delay > 0 {
			s.log("an event is late", n.name, room, d.Delay)
			s.occurred(faultDelay)
			s.delayed(n, d.Delay)
		}
		return d
	}
	return plan
}

// excuseCall notes what a call that goes wrong excuses.
func (s *simulation) excuseCall(n *simNode, c storetest.Call, f storetest.Fault) {
	switch f.Kind {
	case storetest.FailBefore, storetest.FailAfter:
		s.occurred(faultFail)
		s.excuse(n, failedFor, "a call failed: "+c.Method)
	case storetest.Hang:
		s.occurred(faultHang)
		s.excuse(n, testSettings.StoreTimeout+failedFor, "a call hung: "+c.Method)
	case storetest.HangLate:
		s.occurred(faultLate)
		s.excuse(n, testSettings.StoreTimeout+f.Delay+failedFor, "a call ran late: "+c.Method)
	}
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
	if now(faultDrain, 0.04) {
		s.replace(pick(s.dice, s.running()))
	}
	if now(faultFreeze, 0.05) {
		s.freeze(pick(s.dice, s.running()), time.Duration(s.dice.IntN(15000))*time.Millisecond)
	}
	if now(faultCut, 0.04) {
		s.cut(pick(s.dice, s.running()), false, allRooms)
	}
	settled := time.Since(s.lastLoss) > lossGap
	if settled && now(faultWipe, 0.06) {
		s.wipe()
	}
	if s.rewind == nil || time.Since(s.saved) > maxRewind || s.dice.IntN(8) == 0 {
		s.rewind, s.saved = s.mem.SaveParts(), time.Now()
	}
	rewinds := 0.04
	if s.leftOfLate() { // or it would hardly ever undo what is to be remembered
		rewinds = 0.5
	}
	settled = settled && time.Since(s.lastLoss) > lossGap
	switch {
	case !settled:
	case now(faultPart, rewinds/2):
		s.failOver(pick(s.dice, []string{"room:r", "room:s", "index", "conns", "nodes"}))
	case now(faultRewind, rewinds):
		s.failOver("")
	}
	if now(faultGap, 0.04) {
		n := pick(s.dice, s.running())
		s.excuse(n, interruptedFor, "its subscriptions were interrupted")
		n.link.Interrupt(false)
	}
}

// noteLoss notes what must be known before the store loses data.
func (s *simulation) noteLoss() {
	s.noteDead()
	s.w.lossy.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastLoss = time.Now()
}

// wipe lets the store lose everything.
func (s *simulation) wipe() {
	s.noteLoss()
	s.mem.Wipe()
	s.excuseLoss(0, "the store was wiped")
	for _, n := range s.crashed { // its last writes may be on their way
		if time.Since(n.ended) < 5*time.Second {
			s.forget(n)
		}
	}
	s.noteSilent()
}

// failOver lets one server of the store, or without a name all there are, lose
// the last that it was told, and the nodes learn of that.
func (s *simulation) failOver(server string) {
	s.noteLoss()
	s.undoKicks()
	s.log("rewound to", stamp(s.saved), server)
	s.rewind(func(part string) bool { return server == "" || part == server })
	s.rewind = nil
	step := time.Duration(0)
	if s.enabled[faultStep] {
		step = time.Duration(s.dice.IntN(6000)-3000) * time.Millisecond
		if s.enabled[faultLate] { // what is on its way dies with the server that it went to, here it does not
			step = step.Abs()
		}
		s.occurred(faultStep)
		s.log("the store's clock is set by", step)
		s.clockStep.Add(int64(step))
	}
	s.excuseLoss(step.Abs(), "the store was rewound")
	s.noteUnknown()
	affected := func(room string) bool { return room == "" || server == "" || server == "room:"+room }
	for _, n := range s.running() {
		s.tellOfLoss(n, affected)
	}
	s.mu.Lock()
	leaving := s.leaving
	s.mu.Unlock()
	for _, n := range leaving {
		n.link.InterruptSome(true, affected)
	}
}

// maxNotice is how long a node may go on with a store that lost data before it
// is told: member.NoticeTime is what the engine waits for that.
const maxNotice = member.NoticeTime - 100*time.Millisecond

// tellOfLoss tells a node that the store lost data: at once, a little later, or
// when it has found the server that took over.
func (s *simulation) tellOfLoss(n *simNode, affected func(room string) bool) {
	late := s.enabled[faultNotice]
	if late {
		s.occurred(faultNotice)
	}
	switch {
	case late && s.dice.IntN(3) == 0:
		s.cut(n, true, affected)
	case late && s.dice.IntN(2) == 0:
		d := time.Duration(s.dice.Int64N(int64(maxNotice)))
		s.log("is told of the loss in", d, n.name)
		s.excuse(n, d+lossFor, "the store was rewound, and it was told late")
		time.AfterFunc(d, func() { n.link.InterruptSome(true, affected) })
	default:
		n.link.InterruptSome(true, affected)
	}
}

func allRooms(string) bool { return true }

// cut takes the way to the store from a node for a while: calls fail, and it hears
// nothing. In the end its subscriptions are in place again.
func (s *simulation) cut(n *simNode, lost bool, affected func(room string) bool) {
	d := time.Duration(s.dice.IntN(3000)) * time.Millisecond
	s.mu.Lock()
	n.getStuck()
	n.cutUntil = later(n.cutUntil, time.Now().Add(d))
	s.mu.Unlock()
	s.excuse(n, d+lossFor, "it was cut off")
	s.excuseMissed(n, d, "it was cut off")
	if lost {
		s.excuseGhosts(n, d+ghostsAfterLoss, "it was cut off when the store lost data")
	}
	s.log("cut off for", d, n.name)
	time.AfterFunc(d, func() {
		n.link.Interrupt(false) // it missed something in every room
		if lost {
			n.link.InterruptSome(true, affected)
		}
	})
}

func (s *simulation) isCut(n *simNode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return n.isCut()
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

// calm ends everything that goes wrong.
func (s *simulation) calm() {
	time.Sleep(20 * time.Second) // nobody is frozen any more
	s.drains.Wait()
	s.log("quiet now; held:", s.mem.Keys())
	for _, n := range s.running() {
		plan := storetest.Plan{}
		if *narrateFlag {
			plan.Call = func(c storetest.Call) storetest.Fault {
				if c.Method != "Beat" && c.Method != "Positions" {
					s.log(n.name, c)
				}
				return storetest.Fault{}
			}
		}
		n.link.SetPlan(plan)
	}
	s.mu.Lock()
	s.judge.calm = time.Now()
	s.mu.Unlock()
	// A member of a node that crashed right after the store forgot that node is
	// found by those who open its room, when what hung before has given up.
	time.Sleep(testSettings.StoreTimeout + slack)
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
