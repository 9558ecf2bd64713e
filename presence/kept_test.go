package presence

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A member leaves just when the store has lost it, so that no event says so: the
// others see it leave long before they would give it up. One whose node does not
// answer is still waited for.
func TestWhoLeavesInALossIsNotShownForLong(t *testing.T) {
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
				w.steady()
				a, b, c := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[2], "c")
				b.join("r", "bob", "")
				rewind := mem.Save()
				a.join("r", "ann", `,"state":{"n":1}`)
				c.join("r", "cat", "")
				b.heard()
				for _, link := range l {
					link.SetPlan(deaf())
				}
				l[2].Freeze()
				lose(mem, l, rewind)
				a.send("leave", `{}`).wait()
				l[0].SetPlan(storetest.Plan{})
				l[1].SetPlan(storetest.Plan{})
				w.rest(quietAfter + quietInterval + askKept + answerTime + time.Second)
				want(t, "b", b.heard(), "leave ann@r leave")
				l[2].SetPlan(storetest.Plan{})
				l[2].Thaw()
				w.rest(15 * time.Second)
				w.agree("r")
			})
		})
	}
}

// A node dies, and the store loses it with all its members at the same time: the
// others do not ask each other about each of them, again and again.
func TestQuestionsAboutALargeDeadNodeAreBounded(t *testing.T) {
	inLinkedWorld(t, 3, func(w *world, mem *memstore.Store, l links) {
		w.steady()
		for n := range 4 * maxInquiry {
			w.connect(w.nodes[0], fmt.Sprint("a", n)).join(fmt.Sprint("r", n%8), "ann", "")
		}
		for n := range 8 {
			w.connect(w.nodes[1], fmt.Sprint("b", n)).join(fmt.Sprint("r", n), "bob", "")
		}
		var asked atomic.Int64
		l[1].SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
			if c.Method == "PublishNodes" {
				asked.Add(1)
			}
			return storetest.Fault{}
		}})
		l[0].Kill()
		w.crash(w.nodes[0])
		w.nodes = w.nodes[1:]
		l[1:].failover(mem.Wipe)
		w.rest(15 * time.Second)
		if n, most := asked.Load(), int64(keepMissing/askKept)*2; n == 0 || n > most {
			t.Errorf("%d messages, want 1 to %d", n, most)
		}
	})
}
