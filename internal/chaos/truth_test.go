//go:build unix

package chaos

import (
	"testing"
	"testing/synctest"
	"time"
)

func joinAnswer(grace time.Duration, resumed bool) *answer {
	a := &answer{OK: true, Resumed: resumed}
	a.Self.ConnID, a.Self.Epoch = "conn", 1
	if a.Self.GraceMs = grace.Milliseconds(); grace > 0 {
		a.Self.Resume = "token"
	}
	return a
}

// begin makes a life that is live.
func begin(t *truth, n *node, grace time.Duration) *life {
	l := &life{tag: "tag", room: "r", grace: grace}
	t.ask(l, n)
	t.joined(l, n, joinAnswer(grace, false))
	return l
}

func wantPlace(t *testing.T, when string, l *life, must, may bool) {
	t.Helper()
	if m, y := l.place(time.Now()); m != must || y != may {
		t.Errorf("%s: must %v, may %v", when, m, y)
	}
}

func wantLeave(t *testing.T, when string, l *life, reason string, right, excused bool) {
	t.Helper()
	if r, e := l.rightLeave(time.Now(), reason); r != right || e != excused {
		t.Errorf("%s: right %v, excused %v", when, r, e)
	}
}

func TestTruthPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, n := newTruth(), &node{name: "n"}
		l := &life{tag: "tag", room: "r"}
		tr.ask(l, n)
		wantPlace(t, "asking", l, false, true)
		tr.joined(l, n, joinAnswer(0, false))
		wantPlace(t, "live", l, true, true)
		wantLeave(t, "live", l, "disconnect", false, false)
		time.Sleep(time.Minute)
		tr.lost(l, time.Now(), "test")
		wantPlace(t, "lost", l, false, false)
		wantLeave(t, "lost", l, "disconnect", true, false)
		if l.deathOf() != time.Now() {
			t.Errorf("death at %v", l.deathOf())
		}
	})
}

func TestTruthGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, n := newTruth(), &node{name: "n"}
		l := begin(tr, n, 10*time.Second)
		tr.lost(l, time.Now(), "test")
		time.Sleep(9 * time.Second)
		wantPlace(t, "in grace", l, true, true)
		wantLeave(t, "in grace", l, "disconnect", false, false)
		tr.joined(l, n, joinAnswer(10*time.Second, true))
		time.Sleep(9 * time.Second)
		wantLeave(t, "resumed", l, "disconnect", false, false)
		tr.lost(l, time.Now(), "test")
		time.Sleep(10 * time.Second)
		wantPlace(t, "over", l, false, true)
		wantLeave(t, "over", l, "disconnect", true, false)
		if tr.resumeDenied(l) {
			t.Error("the denial is a complaint although the grace is over")
		}
		time.Sleep(10 * time.Second)
		wantPlace(t, "long over", l, false, false)
	})
}

func TestTruthDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTruth()
		l := begin(tr, &node{name: "n"}, 10*time.Second)
		tr.lost(l, time.Now(), "test")
		if !tr.resumeDenied(l) {
			t.Error("no complaint of a denial within the grace")
		}
	})
}

// A silent node excuses that its plain members leave as lost, for as long as
// it takes, and nothing else.
func TestTruthSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, n := newTruth(), &node{name: "n"}
		plain, resumable := begin(tr, n, 0), begin(tr, n, time.Minute)
		from := time.Now()
		tr.silence(n, from, from.Add(10*time.Second))
		time.Sleep(2 * time.Second)
		wantLeave(t, "before the lease is over", plain, "node_lost", false, false)
		time.Sleep(2 * time.Second)
		wantLeave(t, "after it", plain, "node_lost", true, true)
		wantLeave(t, "for another reason", plain, "timeout", false, false)
		wantLeave(t, "with grace", resumable, "node_lost", false, false)
		time.Sleep(time.Minute)
		wantLeave(t, "long after", plain, "node_lost", false, false)
	})
}

// The end of a node ends its plain members, also those whose join is answered
// while it stops.
func TestTruthNodeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, n := newTruth(), &node{name: "n"}
		plain := begin(tr, n, 0)
		tr.nodeEnds(n, time.Second)
		late := begin(tr, n, 0)
		for _, l := range []*life{plain, late} {
			wantPlace(t, "after the end", l, false, false)
			wantLeave(t, "after the end", l, "node_lost", true, false)
		}
	})
}

func TestTruthUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTruth()
		l := &life{tag: "tag", room: "r", grace: 10 * time.Second}
		tr.ask(l, &node{name: "n"})
		tr.unanswered(l, "conn")
		wantPlace(t, "in doubt", l, false, true)
		wantLeave(t, "in doubt", l, "disconnect", true, false)
		time.Sleep(time.Minute)
		wantPlace(t, "long after", l, false, false)
	})
}

// The truth is held against what a client has.
func TestCompare(t *testing.T) {
	tr, n := newTruth(), &node{name: "n"}
	l := begin(tr, n, 0)
	m := member{entry{ConnID: "conn", UserID: "u", Status: "online"}, "tag"}
	for name, c := range map[string]struct {
		members []member
		spoil   func()
		differ  int
	}{
		"as it is":  {members: []member{m}},
		"missing":   {differ: 1},
		"away":      {members: []member{{entry{ConnID: "conn", Status: "away"}, "tag"}}, differ: 1},
		"a strange": {members: []member{m, {entry{ConnID: "x"}, ""}}, differ: 1},
	} {
		p := &picture{members: make(map[string]member)}
		for _, m := range c.members {
			p.members[m.ConnID] = m
		}
		var found look
		tr.compare(&found, "r", p, time.Now())
		if len(found.differ) != c.differ {
			t.Errorf("%s: %q", name, found.differ)
		}
	}
	tr.leaving(l, 0)
	var found look
	tr.compare(&found, "r", &picture{members: map[string]member{"conn": m}}, time.Now())
	if len(found.differ) != 1 {
		t.Errorf("a ghost: %q", found.differ)
	}
}

// Of several lives under one connId without tags, the epoch tells.
func TestFind(t *testing.T) {
	tr, n := newTruth(), &node{name: "n"}
	first := begin(tr, n, 0)
	tr.leaving(first, 0)
	undone := &life{tag: "undone", room: "r"}
	tr.ask(undone, n)
	tr.refused(undone, "unavailable", "conn")
	second := &life{tag: "second", room: "r"}
	tr.ask(second, n)
	a := joinAnswer(0, false)
	a.Self.Epoch = 4
	tr.joined(second, n, a)
	for epoch, want := range map[int64]*life{3: undone, 4: second, 5: second} {
		if got := tr.find("", "r", "conn", epoch); got != want {
			t.Errorf("epoch %d: %s", epoch, got.tag)
		}
	}
	if got := tr.find("tag", "r", "conn", 9); got != first {
		t.Errorf("by tag: %s", got.tag)
	}
	if got := tr.find("", "r", "nobody", 1); got != nil {
		t.Errorf("nobody: %s", got.tag)
	}
}

// A grace may run since the silence of the node was noticed, which may be
// before the socket was lost.
func TestTruthGraceOfASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, n := newTruth(), &node{name: "n"}
		l := begin(tr, n, 20*time.Second)
		from := time.Now()
		time.Sleep(8 * time.Second)
		tr.lost(l, time.Now(), "closed")
		time.Sleep(2 * time.Second)
		tr.silence(n, from, time.Now())
		wantPlace(t, "in grace", l, true, true)
		time.Sleep(14 * time.Second)
		wantPlace(t, "from the lease's end", l, false, true)
		wantLeave(t, "from the lease's end", l, "node_lost", true, false)
	})
}
