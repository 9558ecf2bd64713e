package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// The judge of the simulation notices what it is there for, says it in one line,
// and only when nothing excuses it.
func TestTheSimulationJudges(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(of map[string]*store.Member, id string) // what a node shows that hears of the member
		lasts time.Duration
		free  time.Duration // an excuse
		want  string        // how the line begins; "" for none
	}{
		"nothing is wrong": {spoil: func(map[string]*store.Member, string) {}, lasts: 3 * time.Second},
		"a member that nobody is": {func(of map[string]*store.Member, _ string) {
			of["x"] = &store.Member{ConnID: "x", UserID: "cat", Owner: "nobody", Epoch: 1, Write: 1, State: []byte("{}")}
		}, 3 * time.Second, 0, "ghost: cat in room r as x, Members on n2"},
		"a member is missing": {
			func(of map[string]*store.Member, id string) { delete(of, id) }, 3 * time.Second, 0, "gap: ann in room r as sock-1, Members on n2",
		},
		"a member is another user": {
			func(of map[string]*store.Member, id string) { of[id].UserID = "cat" }, 3 * time.Second, 0, "gap: ann in room r as sock-1, Members on n2",
		},
		"a member is away": {
			func(of map[string]*store.Member, id string) { of[id].Away = true }, 3 * time.Second, 0, "false away: ann in room r as sock-1, Members on n2",
		},
		"an old state": {
			func(of map[string]*store.Member, id string) { of[id].State = []byte(`{"n":77}`) }, 3 * time.Second, 0, "stale state: ann in room r as sock-1, Members on n2",
		},
		"not for long":        {spoil: func(of map[string]*store.Member, id string) { delete(of, id) }, lasts: slack / 2},
		"while it is excused": {func(of map[string]*store.Member, id string) { delete(of, id) }, 3 * time.Second, time.Minute, ""},
		"longer than that":    {func(of map[string]*store.Member, id string) { delete(of, id) }, 3 * time.Second, time.Second, "gap: ann in room r as sock-1, Members on n2"},
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
					r := n.eng.Owned.Of("r")
					r.Mu.Lock()
					saved, spoilt := r.Rep, make(map[string]*store.Member)
					for m := range r.Rep.All() {
						other := m.Member
						spoilt[m.ConnID] = &other
					}
					c.spoil(spoilt, "sock-1")
					shown := store.Room{Position: r.Rep.Position()}
					for _, m := range spoilt {
						shown.Members = append(shown.Members, *m)
					}
					now := n.eng.Clock.Now()
					settings := replica.Settings{Lease: n.eng.LeaseTime, SilentAfter: n.eng.SilentAfter, Tombstones: &n.eng.Tombstones}
					r.Rep = replica.New("r", &settings, r)
					r.Rep.Load(shown, time.Now(), replica.Now{Time: now, StoreMs: n.eng.StoreTime(now)})
					r.Mu.Unlock()
					time.Sleep(c.lasts)
					r.Mu.Lock()
					r.Rep = saved
					r.Mu.Unlock()
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
