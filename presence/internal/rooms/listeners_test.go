package rooms

import (
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// A write waits for its own event or a later one of the same member: the same epoch under
// another owner, or a write before it, is neither.
func TestWhatAWaiterWaitsFor(t *testing.T) {
	a := &Waiter{connID: "c", owner: "here", epoch: 3, write: 7}
	for name, c := range map[string]struct {
		change func(m *store.Member)
		want   bool
	}{
		"its own write":               {func(*store.Member) {}, true},
		"a later write":               {func(m *store.Member) { m.Write = 9 }, true},
		"an earlier write":            {func(m *store.Member) { m.Write = 6 }, false},
		"a later epoch":               {func(m *store.Member) { m.Epoch, m.Owner, m.Write = 4, "there", 1 }, true},
		"an earlier epoch":            {func(m *store.Member) { m.Epoch = 2 }, false},
		"the epoch of another's life": {func(m *store.Member) { m.Owner = "there" }, false},
		"another connection":          {func(m *store.Member) { m.ConnID = "d" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := store.Member{ConnID: "c", Owner: "here", Epoch: 3, Write: 7}
			c.change(&m)
			if got := a.matches(&m); got != c.want {
				t.Errorf("matches: %t", got)
			}
		})
	}
}
