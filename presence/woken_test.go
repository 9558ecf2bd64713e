package presence

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store/memstore"
)

// Clients hung up while their node stood still, and one came back elsewhere and
// left: the node reads all of that only after it woke, and brings nobody back.
func TestAWokenNodeReadsBeforeItRestores(t *testing.T) {
	inLinkedWorld(t, 2, func(w *world, _ *memstore.Store, l links) {
		w.steady()
		a, b, c := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b"), w.connect(w.nodes[0], "c")
		first := a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		c.join("r", "cat", "")
		l[0].Freeze()
		w.rest(8 * time.Second)
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
			t.Fatalf("resume: %+v", ack)
		}
		a2.send("leave", `{}`).wait()
		b.heard()
		l[0].Thaw()
		w.rest(200 * time.Millisecond) // so long it reads
		a.end(ReasonDisconnect, false)
		c.end(ReasonDisconnect, false)
		w.rest(20 * time.Second)
		want(t, "b", b.heard(), "")
		w.agree("r")
		if n := len(w.stored("r")); n != 1 {
			t.Errorf("%d members stand", n)
		}
	})
}
