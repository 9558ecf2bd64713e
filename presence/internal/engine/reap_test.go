package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// crash ends a node as kill -9 does: nothing is said to anybody.
func (w *world) crash(e *Engine) {
	e.close()
	for _, c := range w.clients {
		if c.node == e {
			c.gone.Store(true)
		}
	}
}

// steady lets the nodes run for long enough to judge each other.
func (w *world) steady() { w.rest(12 * time.Second) }

func TestMembersOfADeadNodeLeaveOnce(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.steady()
		b, c := w.connect(w.nodes[1], "b"), w.connect(w.nodes[2], "c")
		b.join("r", "bob", "")
		c.join("r", "cat", "")
		for i := range 50 {
			w.connect(w.nodes[0], fmt.Sprint("a", i)).join("r", fmt.Sprint("ann", i), "")
		}
		b.heard()
		c.heard()
		w.crash(w.nodes[0])
		w.rest(8 * time.Second)
		for _, o := range []*client{b, c} {
			got := o.heard()
			if n := strings.Count(got, "node_lost"); n != 50 || strings.Count(got, "\n") != 49 {
				t.Errorf("%s heard %d leaves in:\n%s", o.name, n, got)
			}
		}
		w.agree("r")
		for _, key := range w.store.(interface{ Keys() []string }).Keys() {
			if strings.Contains(key, "sock-a") || strings.Contains(key, "ann") {
				t.Errorf("left behind: %s", key)
			}
		}
	})
}

func TestResumableMembersOfADeadNodeStayForTheirGrace(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":20000`)
		w.connect(w.nodes[0], "c").join("r", "cat", `,"graceMs":20000`)
		b.heard()
		w.crash(w.nodes[0])
		w.rest(8 * time.Second)
		if got := b.heard(); strings.Count(got, "away") != 2 || strings.Count(got, "\n") != 1 {
			t.Errorf("b heard:\n%s", got)
		}
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed || ack.Self.ConnID != "sock-a" {
			t.Errorf("resume: %+v", ack)
		}
		want(t, "back", b.heard(), "update ann@r {}")
		w.rest(30 * time.Second)
		want(t, "the other one's grace is over", b.heard(), "leave cat@r node_lost")
		w.agree("r")
	})
}

// What a drained node leaves in grace ends when the grace does.
func TestGraceOfADrainedNodeEnds(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":10000`)
		b.heard()
		if err := w.nodes[0].drain(context.Background()); err != nil {
			t.Error(err)
		}
		w.crash(w.nodes[0])
		w.rest(4 * time.Second)
		want(t, "away", b.heard(), "update ann@r {} away")
		w.rest(8 * time.Second)
		want(t, "gone", b.heard(), "leave ann@r shutdown")
		w.agree("r")
	})
}

// A node dies together with the store's last writes, among them epochs of its
// members that others were shown: who takes these over goes on from there.
func TestATakeoverGoesOnFromTheEpochShown(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a.join("r", "ann", `,"graceMs":30000`)
		rewind := mem.Save()
		for range 3 {
			a.join("r", "ann", `,"graceMs":30000`)
		}
		b.heard()
		l[0].Kill()
		w.crash(w.nodes[0])
		w.nodes = w.nodes[1:]
		l[1:].failover(rewind)
		w.rest(20 * time.Second) // its client complains of an epoch that falls
		want(t, "b", b.heard(), "update ann@r {} away")
		w.agree("r")
	})
}
