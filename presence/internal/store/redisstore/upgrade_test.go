//go:build unix

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
)

// aged is the layout as it would be with masters of another version.
func (s *Store) aged(major int) *topology.Layout {
	l := *s.layout.Load()
	l.Masters = slices.Clone(l.Masters)
	for i := range l.Masters {
		l.Masters[i].Major = major
	}
	return &l
}

// A store turns from sharded channels to plain ones and back, as while the cluster is
// upgraded. Nothing is missed without a notice, and nobody stays deaf.
func TestTurningChannels(t *testing.T) {
	c := redistest.StartCluster(t, 2, 0)
	all := startChat(t, "sharded", 8, Options{URL: c.URL()})
	all.begin(t)
	for range 3 {
		old := all.store.aged(6)
		all.store.bridge.Arrange(old, old.Sharded())
		if got := all.store.publishing.Load().command; got != "PUBLISH" {
			t.Errorf("with masters of Redis 6: %s", got)
		}
		for end := time.Now().Add(healTime); all.store.publishing.Load().command != "SPUBLISH"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it stays plain although the masters are new")
			}
		}
		all.hearsOn(t)
	}
	all.heal(func(int) bool { return false }, false)
}

// hearsOn waits until every room has heard three calls more. By then no message that was
// published plain is on the bus between the masters: a subscription that moves from one
// master to the other would hear it twice.
func (c *chat) hearsOn(t *testing.T) {
	t.Helper()
	for _, r := range c.rooms {
		before := r.heard.calls()
		for end := time.Now().Add(healTime); r.heard.calls() < before+6; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s hears nothing since its channel has changed", r.id)
			}
		}
	}
}

// calls counts the events and casts that were heard.
func (h *hearing) calls() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.list {
		if s.kind != 'i' {
			n++
		}
	}
	return n
}

// Of two stores that see an upgrade one after the other, neither stays deaf to the other.
func TestStoresThatTurnOneAfterTheOther(t *testing.T) {
	c := redistest.StartCluster(t, 2, 0)
	one, two := open(t, Options{URL: c.URL()}), open(t, Options{URL: c.URL()})
	heard := []*ear{listen(t, one, "r"), listen(t, two, "r")}
	turn := func(b *backend, major int) {
		l := b.aged(major)
		b.bridge.Arrange(l, l.Sharded())
	}
	turn(one, 6)
	heard[0].next(t, "interrupt r")
	turn(two, 6)
	end := time.Now().Add(healTime) // both turn back when they next look
	for i, s := range []*backend{one, two} {
		for n := 0; ; n++ {
			mark := fmt.Sprint("from ", i, " number ", n)
			must(t, s.Publish(t.Context(), "r", []byte(mark)))
			if heard[0].hears(mark) && heard[1].hears(mark) && s.publishing.Load().command == "SPUBLISH" {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("store %d is not heard by both", i)
			}
		}
	}
}

// hears reports whether a cast comes soon; what comes before it is dropped.
func (e *ear) hears(cast string) bool {
	late := time.After(200 * time.Millisecond)
	for {
		select {
		case got := <-e.heard:
			if got == "cast "+cast {
				return true
			}
		case <-late:
			return false
		}
	}
}

// Who may not use sharded channels keeps plain ones, as before the upgrade.
func TestTurningNeedsTheRights(t *testing.T) {
	c := redistest.StartCluster(t, 2, 0)
	s := open(t, Options{URL: c.URL()})
	old := s.aged(6)
	s.bridge.Close() // nobody else arranges anything
	s.bridge.MayShard = func(context.Context) error { return fmt.Errorf("the user may not") }
	s.bridge.Arrange(old, false)
	if s.bridge.Shards(s.aged(7)) {
		t.Error("it is to turn")
	}
	s.bridge.Plain = true
	s.bridge.MayShard = func(context.Context) error { return nil }
	if s.bridge.Shards(s.aged(7)) {
		t.Error("it is to turn although plain channels are wanted")
	}
}

var timeCall = regexp.MustCompile(`(redis\.)?call\('TIME'\)`)

// skewed is a script where the clock of the server with a port is ahead by some seconds.
func skewed(s *pipeline.Script, port string, seconds int) pipeline.Script {
	return pipeline.NewScript(timeCall.ReplaceAllString(s.Text, "clock()")).After(fmt.Sprintf(`
local function clock()
  local time = redis.call('TIME')
  if string.find(redis.call('INFO', 'server'), 'tcp_port:%s', 1, true) then
    time[1] = string.format('%%d', time[1] + %d)
  end
  return time
end
`, port, seconds))
}

// The clock of one master is seconds ahead, or behind: writes there neither expire on their
// way nor take effect long after their time, and a grace is as long as elsewhere.
func TestMastersWhoseClocksDiffer(t *testing.T) {
	for _, seconds := range []int{5, -5} {
		t.Run(strconv.Itoa(seconds), func(t *testing.T) {
			c := redistest.StartCluster(t, 3, 0)
			s := open(t, Options{URL: c.URL()})
			off, err := c.MasterOf(int(keyslot.Of(s.keys.Nodes())))
			must(t, err)
			off = otherMaster(t, c, off)
			_, port, _ := strings.Cut(off.Addr, ":")

			s.bridge.Close() // it would learn how the clock really is
			l := s.aged(7)
			for i := range l.Masters {
				if l.Masters[i].Addr == off.Addr {
					l.Masters[i].Ahead.Ms += int64(seconds) * 1000
				}
			}
			l.SetClocks(keyslot.Of(s.keys.Nodes()))
			s.layout.Store(l)
			p := *s.publishing.Load()
			p.put, p.remove = skewed(&p.put, port, seconds), skewed(&p.remove, port, seconds)
			s.publishing.Store(&p)
			for _, x := range []*pipeline.Script{&s.scripts.nodeRoom, &s.scripts.userAdd, &s.scripts.userRemove, &s.scripts.connJoin, &s.scripts.connLeave} {
				*x = skewed(x, port, seconds)
			}

			there := 0
			for i := range 12 {
				room, conn := "r"+strconv.Itoa(i), "c"+strconv.Itoa(i)
				if m, err := c.MasterOf(int(keyslot.Of(s.keys.Room(room)))); err == nil && m == off {
					there++
				}
				now, err := s.now(t.Context())
				must(t, err)
				p := join(room, conn)
				p.Member.UserID = "u" + strconv.Itoa(i)
				p.ExpiresMs = now + 2000
				res, err := s.Enter(t.Context(), store.EnterRequest{Put: p, SeenMs: now})
				if err != nil || res.Outcome != store.Applied {
					t.Fatalf("join in %s: %+v, %v", room, res.Outcome, err)
				}
				q := store.Put{Room: room, Intent: store.IntentUpdate, Member: patched(res.Member), Fence: 1, ExpiresMs: now - 1000}
				late, err := store.PutAndWait(t.Context(), s, q)
				if err != nil || late.Outcome != store.Expired {
					t.Errorf("a write of a second ago in %s: %+v, %v", room, late.Outcome, err)
				}
				member := res.Member
				for until, want := range map[int64]store.Outcome{now - 1000: store.Fenced, now + 2000: store.Applied} {
					q = store.Put{Room: room, Intent: store.IntentUpdate, Member: patched(member), Fence: member.Epoch, Quiet: true}
					q.Member.Token, q.Member.UntilMs = store.Digest{1}, until
					graced, err := store.PutAndWait(t.Context(), s, q)
					must(t, err)
					member = graced.Member
					q = store.Put{Room: room, Intent: store.IntentResume, Member: member, Fence: member.Epoch}
					q.Member.UntilMs = 0
					q.Member.Epoch++
					resumed, err := store.PutAndWait(t.Context(), s, q)
					if err != nil || resumed.Outcome != want {
						t.Errorf("resume in %s with a grace until %+d: %+v, %v", room, until-now, resumed.Outcome, err)
					}
					member = resumed.Member
				}
				gone, err := s.Remove(t.Context(), store.Remove{Room: room, ConnID: conn, Epoch: member.Epoch, ExpiresMs: now + 2000})
				if err != nil || gone != store.Applied {
					t.Errorf("leave of %s: %+v, %v", room, gone, err)
				}
				must(t, s.ConnLeave(t.Context(), store.Conn{ConnID: conn, Room: room, Node: "n", Epoch: 1, ExpiresMs: now + 2000}))
				u := p.UserEntry()
				u.ExpiresMs = now + 2000
				must(t, s.RemoveUser(t.Context(), u))
				n := store.NodeRoom{Node: room, Room: room, ExpiresMs: now + 2000}
				must(t, s.AddRoom(t.Context(), n))
				must(t, s.RemoveRoom(t.Context(), n))
				n.ExpiresMs, u.ExpiresMs = now-1000, now-1000
				for _, err := range []error{s.AddRoom(t.Context(), n), s.AddUser(t.Context(), u)} {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("an entry of a second ago in %s: %v", room, err)
					}
				}
			}
			if there == 0 {
				t.Error("no room lies on the master whose clock is off")
			}
			if k := s.Keys(); len(k) != 0 {
				t.Errorf("left behind: %q", k)
			}
		})
	}
}
