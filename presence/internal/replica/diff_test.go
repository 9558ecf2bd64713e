package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// A gap is shown as the events that lead over it: each with a number of its
// own, rising, joins and updates at their member's last write.
func TestDifferenceIsInOrder(t *testing.T) {
	set := func(members ...store.Member) map[string]*Member {
		all := make(map[string]*Member)
		for _, m := range members {
			all[m.ConnID] = &Member{Member: m}
		}
		return all
	}
	of := func(conn, user string, seq int64) store.Member {
		return store.Member{ConnID: conn, UserID: user, Seq: seq, State: []byte("{}")}
	}
	patched := of("d", "dan", 109)
	patched.State = []byte(`{"x":1}`)
	from := set(of("a", "ann", 90), of("b", "bob", 91), of("c", "cat", 92), of("d", "dan", 93))
	to := set(of("a", "amy", 102), of("b", "ben", 105), patched, of("e", "eve", 107))
	for range 20 { // whatever the order of the maps
		var line []string
		for _, e := range diff(from, to, 100) {
			line = append(line, fmt.Sprintf("%d %s %s", e.Seq, e.Type, e.UserID))
		}
		got := strings.Join(line, ", ")
		if want := "101 leave ann, 102 join amy, 103 leave bob, 104 leave cat, 105 join ben, 107 join eve, 109 update dan"; got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
	tight := diff(set(of("a", "ann", 90)), set(of("a", "amy", 101)), 100)
	if len(tight) != 2 || tight[0].Type != wire.EventLeave || tight[0].Seq >= tight[1].Seq {
		t.Errorf("without a number left for the leave: %+v, %+v", tight[0], tight[1])
	}
}
