package fold

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// change makes a change by its type: j is a join of somebody new, r one of somebody who is there, u an
// update with its base, w one without, l a leave.
func change(seq int64, kind byte, id, base, state string) *replica.Change {
	c := new(replica.Change)
	c.ConnID, c.UserID, c.Seq, c.Epoch = id, "user-"+id, seq, seq
	c.State = json.RawMessage(state)
	switch kind {
	case 'j', 'r':
		c.Type, c.Fresh = wire.EventJoin, kind == 'j'
	case 'u', 'w':
		c.Type = wire.EventUpdate
		if kind == 'u' {
			c.Base = []byte(base)
		}
	case 'l':
		c.Type, c.State = wire.EventLeave, nil
	}
	return c
}

// line is an item for a test to read.
func line(i *Item) string {
	text := i.Text(true, new(wire.StateText))
	s := fmt.Sprintf("%d %s %s", i.Seq, i.Type, i.ConnID)
	for _, part := range []struct {
		name string
		text []byte
	}{{"", text.Whole}, {" patch", text.Patch}, {" removed", text.Removed}} {
		if part.text != nil {
			s += fmt.Sprintf("%s %s", part.name, part.text)
		}
	}
	return s
}

func TestFold(t *testing.T) {
	type step struct {
		kind            byte
		id, base, state string
	}
	for name, c := range map[string]struct {
		steps []step
		given int64 // a client was given the room at this seq
		want  []string
	}{
		"one": {[]step{{'j', "a", "", "{}"}}, 0, []string{"1 join a {}"}},
		"a join and patches": {
			[]step{{'j', "a", "", "{}"}, {'u', "a", "{}", `{"x":1}`}, {'u', "a", `{"x":1}`, `{"x":2}`}}, 0, []string{`3 join a {"x":2}`},
		},
		"patches": {
			[]step{{'u', "a", `{"x":1,"y":1}`, `{"x":2,"y":1}`}, {'u', "a", `{"x":2,"y":1}`, `{"x":3,"z":1}`}},
			0, []string{`2 update a patch {"x":3,"z":1} removed ["y"]`},
		},
		"patches, and somebody came between them": {
			[]step{{'u', "a", `{"x":1,"y":1}`, `{"x":2,"y":1}`}, {'u', "a", `{"x":2,"y":1}`, `{"x":1,"y":2}`}},
			1, []string{`2 update a {"x":1,"y":2}`},
		},
		"a status and a patch, and somebody came between them": {
			[]step{{'u', "a", `{"x":1}`, `{"x":1}`}, {'u', "a", `{"x":1}`, `{"x":2}`}}, 1, []string{`2 update a patch {"x":2}`},
		},
		"a patch and a status, and somebody came between them": {
			[]step{{'u', "a", `{"x":1}`, `{"x":2}`}, {'u', "a", `{"x":2}`, `{"x":2}`}}, 1, []string{`2 update a patch {"x":2}`},
		},
		"a status alone": {[]step{{'u', "a", `{"x":1}`, `{"x":1}`}}, 0, []string{"1 update a"}},
		"a whole state, then a patch": {
			[]step{{'w', "a", "", `{"x":1}`}, {'u', "a", `{"x":1}`, `{"x":2}`}}, 0, []string{`2 update a {"x":2}`},
		},
		"a rejoin and a patch":        {[]step{{'r', "a", "", "{}"}, {'u', "a", "{}", `{"x":1}`}}, 0, []string{`2 join a {"x":1}`}},
		"a patch and a rejoin":        {[]step{{'u', "a", "{}", `{"x":1}`}, {'r', "a", "", "{}"}}, 0, []string{"2 join a {}"}},
		"came and went":               {[]step{{'j', "a", "", "{}"}, {'u', "a", "{}", `{"x":1}`}, {'l', "a", "", ""}}, 0, nil},
		"came and went, but was seen": {[]step{{'j', "a", "", "{}"}, {'l', "a", "", ""}}, 1, []string{"2 leave a"}},
		"somebody looked before": {
			[]step{{'u', "b", "{}", `{"x":1}`}, {'j', "a", "", "{}"}, {'l', "a", "", ""}}, 1, []string{`1 update b patch {"x":1}`},
		},
		"a rejoin and a leave": {[]step{{'r', "a", "", "{}"}, {'l', "a", "", ""}}, 0, []string{"2 leave a"}},
		"a leave and a join": {
			[]step{{'l', "a", "", ""}, {'j', "a", "", "{}"}}, 0, []string{"1 leave a", "2 join a {}"},
		},
		"a leave, a join and a leave": {
			[]step{{'l', "a", "", ""}, {'j', "a", "", "{}"}, {'l', "a", "", ""}}, 0, []string{"1 leave a"},
		},
		"in the order of the last change": {
			[]step{{'u', "a", "{}", `{"x":1}`}, {'j', "b", "", "{}"}, {'u', "a", `{"x":1}`, `{"x":2}`}},
			0, []string{"2 join b {}", `3 update a patch {"x":2}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f Fold
			for i, s := range c.steps {
				seq := int64(i + 1)
				f.Add(change(seq, s.kind, s.id, s.base, s.state), min(c.given, seq-1))
				if f.Seq() != seq {
					t.Errorf("at %d after change %d", f.Seq(), seq)
				}
			}
			if f.Len() != len(c.want) {
				t.Errorf("%d items, want %d", f.Len(), len(c.want))
			}
			items := f.Take()
			for i, item := range items {
				if i < len(c.want) && line(item) != c.want[i] {
					t.Errorf("item %d is %s, want %s", i, line(item), c.want[i])
				}
			}
			if len(items) != len(c.want) || f.Len() != 0 || f.Take() != nil {
				t.Errorf("%d items, and then %d", len(items), f.Len())
			}
		})
	}
}

// Whenever a client is given a room, and however the changes after that are told, it ends with what the
// room has.
func TestFoldedIsTheSame(t *testing.T) {
	for seed := range uint64(2000) {
		dice := rand.New(rand.NewPCG(seed, 1))
		room, shown := map[string]string{}, map[string]bool{}
		type client struct {
			at      int64
			members map[string]string
		}
		var clients []*client
		var f Fold
		var given, seq, told int64
		tell := func() {
			at := f.Seq()
			items := f.Take()
			for _, c := range clients {
				if len(items) == 0 || at <= c.at {
					continue
				}
				if told > c.at {
					t.Fatalf("seed %d: a gap from %d to %d", seed, c.at, told)
				}
				for _, i := range items {
					if i.Seq <= c.at {
						continue
					}
					state, known := c.members[i.ConnID]
					text := i.Text(true, new(wire.StateText))
					switch {
					case i.Type == wire.EventLeave:
						delete(c.members, i.ConnID)
						continue
					case text.Whole != nil:
						state = string(text.Whole)
					case !known:
						t.Fatalf("seed %d: %s is told to a client that does not know it", seed, line(i))
					default:
						merged, _, err := jsontext.Merge([]byte(state), text.Patch, text.Removed)
						if err != nil {
							t.Fatal(err)
						}
						state = string(merged)
					}
					c.members[i.ConnID] = state
				}
				c.at = at
			}
			if len(items) > 0 {
				told = at
			}
		}
		for range 60 {
			id := string(rune('a' + dice.IntN(3)))
			switch dice.IntN(8) {
			case 0:
				tell()
				continue
			case 1:
				clients = append(clients, &client{seq, maps.Clone(room)})
				given = seq
				continue
			}
			seq++
			base := room[id]
			state := fmt.Sprintf(`{"x":%d,"y":%d}`, dice.IntN(2), dice.IntN(2))
			switch kind := dice.IntN(5); {
			case !shown[id]:
				shown[id], room[id] = true, state
				f.Add(change(seq, 'j', id, "", state), given)
			case kind == 0:
				delete(shown, id)
				delete(room, id)
				f.Add(change(seq, 'l', id, "", ""), given)
			case kind == 1:
				room[id] = state
				f.Add(change(seq, 'r', id, "", state), given)
			case kind == 2:
				f.Add(change(seq, 'u', id, base, base), given)
			default:
				room[id] = state
				f.Add(change(seq, 'u', id, base, state), given)
			}
		}
		tell()
		for i, c := range clients {
			same := maps.EqualFunc(c.members, room, func(a, b string) bool {
				p, r, err := jsontext.Diff(nil, nil, []byte(a), []byte(b))
				return string(p) == "{}" && r == nil && err == nil
			})
			if !same {
				t.Fatalf("seed %d: client %d has %v, the room %v", seed, i, c.members, room)
			}
		}
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := Pace{FreeRate: 1000}
	at := 0
	for p.Changes(now, 1, 10) {
		at++
	}
	if at != 10 {
		t.Errorf("%d changes for 10 listeners are told at once, want 10", at)
	}
	if got := p.Tick(now, 10, time.Second); got != minTick {
		t.Errorf("the first tick is %v", got)
	}
	now = now.Add(minTick)
	p.Ticked(now, 10)
	if !p.Changes(now, 1, 10) {
		t.Error("what was paid for meanwhile is not told at once")
	}
	// 5000 changes per second for 1000 listeners.
	load := func(listeners int) {
		for p.Changes(now, 1, listeners) {
		}
		for range 10 {
			tick := p.Tick(now, listeners, time.Second)
			for n := range 5000 * tick / time.Second {
				p.Changes(now.Add(n*time.Second/5000), 1, listeners)
			}
			now = now.Add(tick)
			p.Ticked(now, listeners)
		}
		p.Changes(now, 1, listeners)
	}
	load(1000)
	if got := p.Tick(now, 1000, time.Second); got < 300*time.Millisecond || got > 500*time.Millisecond {
		t.Errorf("with 5 million deliveries per second a tick is %v", got)
	}
	if got := p.Tick(now, 1000, 30*time.Millisecond); got > 30*time.Millisecond {
		t.Errorf("a tick is %v, more than the most", got)
	}
	if now = now.Add(300 * time.Millisecond); !p.Changes(now, 1, 1000) {
		t.Error("it goes on gathering when the load is over")
	}
	p.Changes(now, 1, 1)
	if got := p.Tick(now, 1000, time.Second); got > 100*time.Millisecond {
		t.Errorf("a tick is still %v when the load is over", got)
	}
	if got := p.Tick(now, 5000, time.Second); got != 400*time.Millisecond {
		t.Errorf("a tick for 5000 listeners is %v", got)
	}
	none := Pace{FreeRate: -1, MinTick: time.Minute}
	if none.Changes(now, 1, 1) || none.Tick(now, 1, time.Hour) != time.Minute {
		t.Error("a change is told at once, or the tick is not as long as it shall be")
	}
}
