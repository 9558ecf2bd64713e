package node

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A node may declare others dead when its own life signs were never further apart than
// steadyGap for the lease and steadyExtra.
func TestMayJudge(t *testing.T) {
	begin := time.Now()
	every := func(from, to, gap float64) (at []float64) {
		for ; from <= to; from += gap {
			at = append(at, from)
		}
		return at
	}
	for name, c := range map[string]struct {
		signs []float64 // seconds
		now   float64
		want  bool
	}{
		"no life sign":               {nil, 100, false},
		"too young":                  {every(0, 8.9, 1), 8.9, false},
		"old enough":                 {every(0, 9, 1), 9, true},
		"as slow as allowed":         {every(0, 10, 2), 10, true},
		"slower":                     {every(0, 21, 2.1), 21, false},
		"the last one too long ago":  {every(0, 20, 1), 22.1, false},
		"just not":                   {every(0, 20, 1), 22, true},
		"a gap":                      {append(every(0, 20, 1), every(23, 31, 1)...), 31, false},
		"and enough after it":        {append(every(0, 20, 1), every(23, 32, 1)...), 32, true},
		"after it stood still":       {append(every(0, 20, 1), 60), 60, false},
		"and before it was accepted": {every(0, 20, 1), 60, false},
	} {
		var l lease
		at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
		for _, s := range c.signs {
			l.accepted(at(s))
		}
		if got := l.mayJudge(at(c.now), testLease); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// hangingBeats is a store of which some life signs are answered by nobody.
type hangingBeats struct {
	Store
	mu    sync.Mutex
	hangs bool
	at    []time.Time // when each was sent
	last  store.BeatRequest
}

func (s *hangingBeats) Beat(ctx context.Context, b store.BeatRequest) (store.Beat, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.at, s.last = append(s.at, time.Now()), b
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return store.Beat{}, ctx.Err()
	}
	return s.Store.Beat(ctx, b)
}

// Life signs that nobody answers do not make the next ones late: several are sent before
// the lease is over.
func TestLifeSignsComeAtAFixedRate(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		p := w.newPeer()
		st := &hangingBeats{Store: p.Store}
		p.Store = st
		if err := p.Renew(p.ctx); err != nil {
			t.Fatal(err)
		}
		p.work.Go(func() { p.KeepAlive(p.ctx) })
		time.Sleep(12 * time.Second)
		if !p.Trusted() {
			t.Error("not trusted")
		}
		st.mu.Lock()
		st.hangs, st.at = true, nil
		st.mu.Unlock()
		time.Sleep(testLease + renewInterval/2)
		st.mu.Lock()
		defer st.mu.Unlock()
		st.hangs = false
		if len(st.at) < 4 {
			t.Errorf("%d life signs within a lease while none is answered: %v", len(st.at), st.at)
		}
		for i, at := range st.at[1:] {
			if d := at.Sub(st.at[i]); d != renewInterval {
				t.Errorf("life sign %d came %v after the one before", i+1, d)
			}
		}
		if p.Trusted() {
			t.Error("trusted though no life sign is answered")
		}
	})
}

// A store that stalls carries several life signs of a node out late, one after the other,
// and those of other nodes after them. So a life sign that judges expires when its node has
// given it up.
func TestALifeSignThatJudgesExpires(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		p := w.newPeer()
		st := &hangingBeats{Store: p.Store}
		p.Store = st
		if err := p.Renew(p.ctx); err != nil {
			t.Fatal(err)
		}
		if st.last.Judge {
			t.Error("the first one judges")
		}
		p.work.Go(func() { p.KeepAlive(p.ctx) })
		time.Sleep(12*time.Second + renewInterval/2)
		st.mu.Lock()
		defer st.mu.Unlock()
		if end := st.at[len(st.at)-1].Add(p.renewTimeout()); !st.last.Judge || st.last.ExpiresMs != end.UnixMilli() {
			t.Errorf("%+v, want one that judges until %d", st.last, end.UnixMilli())
		}
	})
}

// One life sign without an answer is enough for the node not to be trusted until the next.
func TestAFailedLifeSignIsNoSignOfTrust(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		p := w.all[0]
		p.link.SetPlan(failOnce("Beat"))
		time.Sleep(renewInterval)
		if p.Trusted() {
			t.Error("trusted after a life sign that failed")
		}
		time.Sleep(renewInterval)
		if !p.Trusted() {
			t.Error("not trusted after the next one")
		}
	})
}

// The store does not know the node any more: it lost data. The host hears of it once, before
// the store knows the node again, also when answers get lost.
func TestALifeSignFindsDataLost(t *testing.T) {
	beats := 0
	loseAnswers := storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		if beats++; beats%2 == 1 {
			f.Kind = storetest.FailAfter
		}
		return f
	}}
	for name, plan := range map[string]storetest.Plan{"all is answered": {}, "answers are lost": loseAnswers} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				p := w.all[0]
				id := p.ID()
				var state store.NodeState
				p.listen(func(string) { state = w.state(id) })
				w.mem.Wipe()
				p.link.SetPlan(plan)
				time.Sleep(5 * time.Second)
				if got := p.told(); got != "data lost" {
					t.Errorf("heard %q", got)
				}
				if state != store.NodeUnknown {
					t.Errorf("the host heard of it when the store had the node as %d", state)
				}
				if p.ID() != id || w.state(id) != store.NodeAlive {
					t.Error("the node is not known under its id")
				}
			})
		})
	}
}

// A node stands still for longer than its lease. It hears that it was declared dead while
// it still has its old id, and that it is reborn when the store knows its new one.
func TestAFrozenNodeGetsANewID(t *testing.T) {
	for name, c := range map[string]struct {
		plan   storetest.Plan
		within time.Duration
	}{
		"at once":                              {storetest.Plan{}, renewInterval / 2},
		"the first life sign under it is lost": {failSecond("Beat"), 2 * renewInterval},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				p, old := w.all[0], w.all[0].ID()
				var ids []string
				var states []store.NodeState
				p.listen(func(string) { ids, states = append(ids, p.ID()), append(states, w.state(p.ID())) })
				p.link.SetPlan(c.plan)
				p.link.Freeze()
				time.Sleep(7 * time.Second)
				if w.state(old) != store.NodeDead {
					t.Fatal("nobody declared it dead")
				}
				p.link.Thaw()
				time.Sleep(c.within)
				if got := p.told(); got != "declared dead after 7s, reborn" && got != "declared dead after 8s, reborn" {
					t.Errorf("heard %q", got)
				}
				if len(ids) != 2 || ids[0] != old || ids[1] == old || ids[1] != p.ID() {
					t.Errorf("its ids: %q, then %q", ids, p.ID())
				}
				if len(states) != 2 || states[0] != store.NodeDead || states[1] != store.NodeAlive {
					t.Errorf("the states: %v", states)
				}
				if p.Trusted() {
					t.Error("trusted right after it stood still")
				}
				time.Sleep(20 * time.Second)
				if got := p.told(); got != "" || w.state(old) != store.NodeDead || !p.Trusted() {
					t.Errorf("later it heard %q", got)
				}
				if got := w.all[1].told(); got != "" {
					t.Errorf("the other one heard %q", got)
				}
			})
		})
	}
}

// failSecond is a plan by which the second call of a method fails.
func failSecond(method string) storetest.Plan {
	calls := 0
	return storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
		if c.Method == method {
			if calls++; calls == 2 {
				f.Kind = storetest.FailBefore
			}
		}
		return f
	}}
}

// All nodes stand still, and wake one after the other: nobody declares another one dead
// for an outage that hit itself.
func TestANodeThatStoodStillJudgesNobody(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		var ids []string
		for _, p := range w.all {
			ids = append(ids, p.ID())
			p.link.Freeze()
		}
		time.Sleep(20 * time.Second)
		for _, p := range w.all {
			p.link.Thaw()
			time.Sleep(3 * time.Second)
		}
		time.Sleep(20 * time.Second)
		for i, p := range w.all {
			if got := p.told(); p.ID() != ids[i] || got != "" {
				t.Errorf("node %d heard %q", i, got)
			}
		}
	})
}

// The life sign of a start does not wait for dead nodes, and each node has an id of its own.
func TestRenewReapsNobody(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		dead := w.start()
		dead.joins("r")
		if err := dead.Store.MarkDead(w.ctx, dead.ID()); err != nil {
			t.Fatal(err)
		}
		w.all[0].draining.Store(true)
		dead.end()
		p := w.newPeer()
		if err := p.Renew(p.ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if p.times("r") > 0 || p.Trusted() {
			t.Error("the first life sign had a node reaped")
		}
		if len(p.ID()) != 16 || p.ID() == dead.ID() {
			t.Errorf("ids %q and %q", p.ID(), dead.ID())
		}
	})
}

var _ Store = (*memstore.Store)(nil)

// lateAnswers is a store whose life signs are answered late.
type lateAnswers struct {
	Store
	by time.Duration
}

func (s *lateAnswers) Beat(ctx context.Context, q store.BeatRequest) (store.Beat, error) {
	b, err := s.Store.Beat(ctx, q)
	time.Sleep(s.by)
	return b, err
}

// The answer to a life sign waited while the node stood still: the node has been silent since
// it gave that, not since the answer.
func TestSilenceCountsFromTheLifeSign(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		p := w.newPeer()
		late := &lateAnswers{Store: p.Options.Store}
		p.Options.Store = late
		renew := func() {
			if err := p.Renew(w.ctx); err != nil {
				t.Fatal(err)
			}
		}
		late.by = 20 * time.Second
		renew()
		late.by = 0
		if err := w.mem.MarkDead(w.ctx, p.ID()); err != nil {
			t.Fatal(err)
		}
		renew()
		if got := p.told(); !strings.HasPrefix(got, "declared dead after 20s") {
			t.Errorf("heard %q", got)
		}
	})
}
