package storetest

import (
	"slices"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

const lease = 4 * time.Second

func (s *suite) beat(b store.BeatRequest) store.Beat {
	s.Helper()
	res, err := s.b.Beat(s.ctx, b)
	s.must(err)
	return res
}

// lives fails unless a beat of the node is answered like this.
func (s *suite) lives(node string, want store.BeatStatus, dead ...string) store.Beat {
	s.Helper()
	res := s.beat(store.BeatRequest{Node: node, LeaseMs: lease.Milliseconds()})
	if res.Status != want || !slices.Equal(res.Dead, dead) || res.NowMs == 0 {
		s.Errorf("beat of %s: %+v, want status %d and dead %q", node, res, want, dead)
	}
	return res
}

// judges has a node that is known judge the others.
func (s *suite) judges(node string, dead ...string) {
	s.Helper()
	res := s.beat(store.BeatRequest{Node: node, LeaseMs: lease.Milliseconds(), Judge: true})
	if res.Status != store.BeatRenewed || !slices.Equal(res.Dead, dead) {
		s.Errorf("judged by %s: %+v, want dead %q", node, res, dead)
	}
}

func (s *suite) claims(dead, by string, want bool) {
	s.Helper()
	got, err := s.b.Claim(s.ctx, dead, by)
	s.must(err)
	if got != want {
		s.Errorf("claim on %s by %s: %t", dead, by, got)
	}
}

var nodeTests = []test{
	{"a beat tells the time", func(s *suite) {
		a := s.lives("n1", store.BeatNew)
		b := s.lives("n1", store.BeatRenewed)
		if b.NowMs < a.NowMs {
			s.Errorf("%+v then %+v", a, b)
		}
		same(s, s.b.Keys(), []string{"nodes"})
		s.must(s.b.Retire(s.ctx, "n1"))
		s.must(s.b.Retire(s.ctx, "n1"))
		s.noKeys()
	}},
	{"a beat that finds nothing begins anew", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.b.Wipe()
		s.lives("n1", store.BeatNew)
	}},
	{"a beat of a node that was known finds that it is not, and changes nothing", func(s *suite) {
		known := store.BeatRequest{Node: "n1", LeaseMs: lease.Milliseconds(), Known: true}
		for range 2 {
			if b := s.beat(known); b.Status != store.BeatNew || b.NowMs == 0 {
				s.Errorf("%+v", b)
			}
			s.noKeys()
		}
		s.lives("n1", store.BeatNew)
		if b := s.beat(known); b.Status != store.BeatRenewed {
			s.Errorf("%+v", b)
		}
	}},
	{"a beat after its time does nothing", func(s *suite) {
		b := store.BeatRequest{Node: "n1", ExpiresMs: 1}
		_, err := s.b.Beat(s.ctx, b)
		s.late(err)
		s.noKeys()
		b.ExpiresMs = s.now() + 3_600_000
		s.beat(b)
		same(s, s.b.Keys(), []string{"nodes"})
	}},
	{"who is silent for the lease is marked, and stays so", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.b.Age(2 * time.Second)
		s.lives("n2", store.BeatNew)
		s.lives("n3", store.BeatNew)
		s.judges("n3")
		s.b.Age(2*time.Second - 100*time.Millisecond)
		s.judges("n3")
		s.b.Age(time.Second)
		s.lives("n3", store.BeatRenewed) // not asked to judge
		s.judges("n3", "n1")
		for range 2 {
			s.lives("n1", store.BeatReaped)
		}
		s.lives("n2", store.BeatRenewed, "n1")
		s.b.Age(store.MarkTime - time.Second)
		s.lives("n2", store.BeatRenewed, "n1")
		s.lives("n1", store.BeatReaped)
		s.b.Age(2 * time.Second)
		s.lives("n2", store.BeatRenewed)
		s.lives("n1", store.BeatNew)
	}},
	{"a mark lasts from when it was set, however long the node was silent", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.b.Age(2 * store.MarkTime)
		s.lives("n2", store.BeatNew)
		s.judges("n2", "n1")
		s.lives("n2", store.BeatRenewed, "n1")
	}},
	{"a retired node is not dead", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.must(s.b.MarkDead(s.ctx, "n1"))
		s.lives("n2", store.BeatNew, "n1")
		s.must(s.b.Retire(s.ctx, "n1"))
		s.lives("n2", store.BeatRenewed)
		s.lives("n1", store.BeatNew)
	}},
	{"a node that was silent itself does not judge", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.lives("n2", store.BeatNew)
		s.b.Age(2 * lease)
		s.judges("n2")
		res := s.beat(store.BeatRequest{Node: "n3", LeaseMs: lease.Milliseconds(), Judge: true})
		if res.Status != store.BeatNew || len(res.Dead) != 0 {
			s.Errorf("%+v by a node that begins", res)
		}
		s.b.Age(store.MaxJudgeGap + time.Millisecond)
		s.judges("n2")
		s.b.Age(store.MaxJudgeGap - time.Second)
		s.judges("n2", "n1")
	}},
	{"a node that is marked does not judge", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.b.Age(2 * lease)
		s.lives("n2", store.BeatNew)
		s.must(s.b.MarkDead(s.ctx, "n2"))
		res := s.beat(store.BeatRequest{Node: "n2", LeaseMs: lease.Milliseconds(), Judge: true})
		if res.Status != store.BeatReaped || len(res.Dead) != 0 || res.NowMs == 0 {
			s.Errorf("%+v", res)
		}
		s.lives("n1", store.BeatRenewed, "n2")
	}},
	{"a node marks itself", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.lives("n2", store.BeatNew)
		s.must(s.b.MarkDead(s.ctx, "n1"))
		s.lives("n2", store.BeatRenewed, "n1")
		s.lives("n1", store.BeatReaped)
		s.b.Age(time.Second)
		s.must(s.b.MarkDead(s.ctx, "unknown"))
		s.must(s.b.MarkDead(s.ctx, "n1")) // keeps the time of its mark
		s.lives("n2", store.BeatRenewed, "unknown", "n1")
	}},
	{"many die at once", func(s *suite) {
		for i := range store.MaxDead + 10 {
			s.lives("n"+strconv.Itoa(i), store.BeatNew)
		}
		s.b.Age(2 * lease)
		s.lives("judge", store.BeatNew)
		seen := make(map[string]bool)
		for range 3 {
			res := s.beat(store.BeatRequest{Node: "judge", LeaseMs: lease.Milliseconds(), Judge: true})
			if len(res.Dead) > store.MaxDead {
				s.Errorf("%d dead at once", len(res.Dead))
			}
			for _, id := range res.Dead {
				if !seen[id] {
					s.must(s.b.Retire(s.ctx, id))
				}
				seen[id] = true
			}
			s.lives("judge", store.BeatRenewed) // no more than that were marked
		}
		if len(seen) != store.MaxDead+10 || seen["judge"] {
			s.Errorf("%d dead", len(seen))
		}
	}},
	{"the last that died are told", func(s *suite) {
		for i := range store.MaxDead {
			s.must(s.b.MarkDead(s.ctx, "n"+strconv.Itoa(i)))
		}
		s.b.Age(time.Second)
		s.must(s.b.MarkDead(s.ctx, "last"))
		if res := s.beat(store.BeatRequest{Node: "n"}); len(res.Dead) != store.MaxDead || res.Dead[0] != "last" {
			s.Errorf("%q", res.Dead)
		}
	}},
	{"one claimant at a time", func(s *suite) {
		s.claims("dead", "n1", true)
		s.claims("dead", "n2", false)
		s.claims("dead", "n1", true)
		s.claims("other", "n2", true)
		same(s, s.b.Keys(), []string{"{node:dead}:claim", "{node:other}:claim"})
		s.must(s.b.NodeDone(s.ctx, "dead"))
		s.must(s.b.NodeDone(s.ctx, "dead"))
		same(s, s.b.Keys(), []string{"{node:other}:claim"})
		s.claims("dead", "n2", true)
		s.claims("dead", "n1", false)
	}},
	{"a claim ends by itself unless it is prolonged", func(s *suite) {
		s.claims("a", "n1", true)
		s.claims("b", "n1", true)
		s.b.Age(store.ClaimTime - time.Second)
		s.claims("b", "n1", true)
		s.claims("a", "n2", false)
		s.b.Age(time.Second)
		s.claims("a", "n2", true)
		s.claims("b", "n2", false)
	}},
	{"how nodes stand", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.must(s.b.MarkDead(s.ctx, "n2"))
		got, err := s.b.NodeStates(s.ctx, []string{"n2", "n3", "n1", "n2"})
		s.must(err)
		same(s, got, []store.NodeState{store.NodeDead, store.NodeUnknown, store.NodeAlive, store.NodeDead})
		got, err = s.b.NodeStates(s.ctx, nil)
		s.must(err)
		if len(got) != 0 {
			s.Errorf("%v for no nodes", got)
		}
	}},
	{"done with a node, its mark stays", func(s *suite) {
		s.lives("n1", store.BeatNew)
		s.must(s.b.MarkDead(s.ctx, "dead"))
		s.claims("dead", "n1", true)
		s.must(s.b.NodeDone(s.ctx, "dead"))
		same(s, s.b.Keys(), []string{"nodes"})
		s.lives("n1", store.BeatRenewed, "dead")
	}},
	{"a retired node has no rooms", func(s *suite) {
		s.lives("n1", store.BeatNew)
		for _, n := range []store.NodeRoom{{Node: "n1", Room: "r1"}, {Node: "n1", Room: "r2"}, {Node: "n2", Room: "r1"}} {
			s.must(s.b.AddRoom(s.ctx, n))
		}
		s.must(s.b.Retire(s.ctx, "n1"))
		same(s, s.b.Keys(), []string{"{node:n2}:rooms"})
	}},
}
