package presence

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// The judge of the simulation notices what it is there for, says it in one line,
// and only when nothing excuses it.
func TestTheSimulationJudges(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r *room, id string) // the replica of a node that hears of the member
		lasts time.Duration
		free  time.Duration // an excuse
		want  string        // how the line begins; "" for none
	}{
		"nothing is wrong": {spoil: func(*room, string) {}, lasts: 3 * time.Second},
		"a member that nobody is": {func(r *room, _ string) {
			r.members["x"] = &member{Member: store.Member{ConnID: "x", UserID: "cat", Owner: "nobody", Epoch: 1, Write: 1, State: emptyState}}
		}, 3 * time.Second, 0, "ghost: cat in room r as x, Members on n2"},
		"a member is missing": {
			func(r *room, id string) { delete(r.members, id) }, 3 * time.Second, 0, "gap: ann in room r as sock-1, Members on n2",
		},
		"a member is another user": {
			func(r *room, id string) { r.members[id].UserID = "cat" }, 3 * time.Second, 0, "gap: ann in room r as sock-1, Members on n2",
		},
		"a member is away": {
			func(r *room, id string) { r.members[id].Away = true }, 3 * time.Second, 0, "false away: ann in room r as sock-1, Members on n2",
		},
		"an old state": {
			func(r *room, id string) { r.members[id].State = []byte(`{"n":77}`) }, 3 * time.Second, 0, "stale state: ann in room r as sock-1, Members on n2",
		},
		"not for long":        {spoil: func(r *room, id string) { delete(r.members, id) }, lasts: slack / 2},
		"while it is excused": {func(r *room, id string) { delete(r.members, id) }, 3 * time.Second, time.Minute, ""},
		"longer than that":    {func(r *room, id string) { delete(r.members, id) }, 3 * time.Second, time.Second, "gap: ann in room r as sock-1, Members on n2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := memstore.New(memstore.Options{})
				runWorld(t, mem, 0, func(w *world) {
					s := newSimulation(w, mem, rand.New(rand.NewPCG(1, 1)), 0)
					defer s.end()
					var lines []string
					s.judge.complain = func(line string) { lines = append(lines, line) }
					s.addNode()
					n := s.addNode()
					s.join(s.connectTo(s.nodes[0]), "r", "ann")
					s.join(s.connectTo(n), "r", "bob")
					stop := s.watch()
					time.Sleep(time.Second)
					if c.free > 0 {
						s.excuse(n, c.free, "a test says so")
					}
					n.eng.mu.Lock()
					r := n.eng.rooms["r"]
					n.eng.mu.Unlock()
					r.mu.Lock()
					saved := make(map[string]member, len(r.members))
					for id, m := range r.members {
						saved[id] = *m
					}
					c.spoil(r, "sock-1")
					r.mu.Unlock()
					time.Sleep(c.lasts)
					r.mu.Lock()
					clear(r.members)
					for id, m := range saved {
						r.members[id] = &m
					}
					r.mu.Unlock()
					time.Sleep(time.Second)
					stop()
					got := strings.Join(lines, "\n")
					if len(lines) > 1 || (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) {
						t.Errorf("the judge says\n%s\nwant %q", got, c.want)
					}
				})
			})
		})
	}
}
