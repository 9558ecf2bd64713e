package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// A store loses a member for the second time while its node still restores it after the
// first loss: it is checked once more, and others do not see it leave.
func TestALossInTheMiddleOfARestore(t *testing.T) {
	inLinkedWorld(t, 1, func(w *world, mem *memstore.Store, l links) {
		st := slowOver(l[0])
		e := w.startOn(st)
		w.steady()
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		w.connect(e, "a").join("r", "ann", "")
		b.heard()
		stands := func() bool {
			for _, m := range w.stored("r") {
				if m.UserID == "ann" {
					return true
				}
			}
			return false
		}
		st.slow("ConnJoin", 0, testSettings.StoreTimeout*3/4)
		l.failover(mem.Wipe)
		for range 500 {
			if stands() {
				break
			}
			w.rest(10 * time.Millisecond)
		}
		l.failover(mem.Wipe) // its restore is not at its end
		w.rest(testSettings.StoreTimeout)
		st.slow("ConnJoin", 0, 0)
		w.rest(3 * time.Second)
		if !stands() {
			t.Error("the member is not restored before the rebuilding ends")
		}
		w.rest(20 * time.Second)
		if got := b.heard(); strings.Contains(got, "leave") || strings.Contains(got, "join") {
			t.Errorf("b heard:\n%s", got)
		}
		if !stands() {
			t.Error("the member does not stand")
		}
		w.agree("r")
	})
}
