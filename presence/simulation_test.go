package presence

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/store/storetest"
)

var seedsFlag = flag.Int("seeds", 200, "how many seeds the simulation runs")

// TestSimulation runs a small cluster through random requests, drops, resumes
// and kicks, in half of the runs over a store that fails, hangs, answers late
// and loses events, and checks when all is quiet that everybody agrees and, when
// all are gone, that nothing is left.
func TestSimulation(t *testing.T) {
	for seed := range uint64(*seedsFlag) {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { simulate(t, seed) }) {
			t.Fatalf("replay with: go test -race ./presence -run 'TestSimulation/seed=%d$'", seed)
		}
	}
}

func simulate(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		dice := rand.New(rand.NewPCG(seed, 2))
		st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		runWorld(t, st, 2+dice.IntN(2), func(w *world) {
			s := &simulation{w: w, dice: dice, tokens: make(map[string]string)}
			if seed%2 == 0 {
				pl := storetest.Seeded(seed, storetest.Rates{
					Before: 0.03, After: 0.03, Hang: 0.01, HangLate: 0.02, Drop: 0.02, Delay: 0.05, MaxDelay: 3 * time.Second,
				})
				in := pl.Call
				pl.Call = func(c storetest.Call) storetest.Fault {
					f := in(c)
					if c.Method != "Beat" {
						s.log(c, f)
					}
					if f.Kind == storetest.HangLate && c.Method != "Put" && c.Method != "Remove" {
						f.Kind = storetest.Hang
					}
					return f
				}
				st.SetPlan(pl)
			}
			for range 60 {
				s.step()
			}
			s.log("quiet now; held:", st.Keys())
			st.SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
				if c.Method != "Beat" && c.Method != "Positions" {
					s.log(c)
				}
				return storetest.Fault{}
			}})
			w.rest(130 * time.Second) // graces end, doubts are settled
			for _, room := range simRooms {
				s.nudge(room)
				w.agree(room)
			}
			for _, c := range w.clients {
				c.end(ReasonDisconnect, true)
			}
			w.rest(130 * time.Second)
			for _, user := range simUsers {
				if at, err := w.nodes[0].roomsOf(context.Background(), user); err != nil || len(at) > 0 {
					t.Errorf("%s is still in %v, %v", user, at, err)
				}
			}
			if keys := slices.DeleteFunc(st.Keys(), func(k string) bool { return k == "nodes" || k == "prs:nodes" }); len(keys) > 0 {
				t.Errorf("left behind: %q", keys)
				for _, user := range simUsers {
					at, _ := st.UserMembers(context.Background(), user)
					t.Logf("%s: %v", user, at)
				}
			}
		})
	})
}

var (
	simRooms = []string{"r", "s"}
	simUsers = []string{"ann", "bob", "cat"}
)

type simulation struct {
	w      *world
	dice   *rand.Rand
	count  int
	tokens map[string]string // of a membership that may be resumed: token → room and user
}

// log is what a failing seed shows with -v.
func (s *simulation) log(what ...any) {
	if testing.Verbose() {
		s.w.t.Log(append([]any{time.Now().Format("04:05.000")}, what...)...)
	}
}

func pick[T any](dice *rand.Rand, of []T) T { return of[dice.IntN(len(of))] }

// live returns one of the clients that are connected, a new one if there are few.
func (s *simulation) live() *client {
	var list []*client
	for _, c := range s.w.clients {
		if !c.isGone() {
			list = append(list, c)
		}
	}
	if len(list) < 3 || len(list) < 9 && s.dice.IntN(4) == 0 {
		s.count++
		return s.w.connect(pick(s.dice, s.w.nodes), fmt.Sprint(s.count))
	}
	return pick(s.dice, list)
}

func (s *simulation) step() {
	c, room, user := s.live(), pick(s.dice, simRooms), pick(s.dice, simUsers)
	switch s.dice.IntN(12) {
	case 0, 1, 2:
		s.join(c, room, user)
	case 3, 4, 5:
		c.send("heartbeat", fmt.Sprintf(`{"roomId":%q,"patchState":{"n":%d}}`, room, s.dice.IntN(4)))
	case 6:
		s.log("leave", c.name, room)
		c.send("leave", fmt.Sprintf(`{"roomId":%q}`, room))
	case 7:
		s.log("leave for a while", c.name)
		c.send("leave", fmt.Sprintf(`{"graceMs":%d}`, 1000*(1+s.dice.IntN(4))))
	case 8:
		s.log("end", c.name)
		c.end(ReasonDisconnect, s.dice.IntN(3) == 0)
	case 9:
		s.log("kick", user, room)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, _ = pick(s.dice, s.w.nodes).kick(ctx, KickTarget{RoomID: room, UserID: user})
		cancel()
	default:
		time.Sleep(time.Duration(s.dice.IntN(4000)) * time.Millisecond)
	}
	if s.dice.IntN(2) == 0 {
		time.Sleep(time.Duration(s.dice.IntN(20)) * time.Millisecond)
	}
	s.w.rest(1)
}

// join joins, half the time to be resumable, and often with a token that a
// membership before was given.
func (s *simulation) join(c *client, room, user string) {
	payload := fmt.Sprintf(`{"roomId":%q,"userId":%q,"graceMs":%d`, room, user, s.dice.IntN(2)*5000)
	for token, of := range s.tokens {
		if of == room+user && s.dice.IntN(2) == 0 {
			payload += fmt.Sprintf(`,"resume":%q`, token)
			break
		}
	}
	if s.dice.IntN(2) == 0 {
		payload += fmt.Sprintf(`,"state":{"n":%d}`, s.dice.IntN(4))
	}
	s.log("join", c.name, payload)
	p := c.send("join", payload+"}")
	synctest.Wait()
	if token := p.ack.Self.Resume; token != "" && isDone(p) {
		s.tokens[token] = room + user
	}
}

func isDone(p *promise) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// nudge makes each client in the room stand at its newest event: a client
// that missed the last one learns of it with the next, or by a sync.
func (s *simulation) nudge(room string) {
	for _, c := range s.w.clients {
		if !c.isIn(room) {
			continue
		}
		if ack := c.send("sync", fmt.Sprintf(`{"roomId":%q}`, room)).wait(); !ack.OK {
			s.w.t.Errorf("%s: sync of %s: %+v", c.name, room, ack)
		}
	}
	synctest.Wait()
}
