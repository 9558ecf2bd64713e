package engine

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// A member leaves just when the store has lost it, so that no event says so: the
// others see it leave when the room is rebuilt.
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
				l[2].SetPlan(storetest.Plan{})
				l[2].Thaw()
				w.rest(rooms.IdleAfter + rooms.IdleCheckInterval + replica.RebuildTime + 2*time.Second)
				want(t, "b", b.heard(), "leave ann@r disconnect")
				w.agree("r")
			})
		})
	}
}
