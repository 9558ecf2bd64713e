package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// countedTexts makes texts whose turn a test decides about, and counts them.
type countedTexts struct {
	mu     sync.Mutex
	ready  chan struct{}
	made   int // texts that were written
	in, of int // texts begun and released
}

// countTexts has the snapshots of a node counted.
func countTexts(e *Engine) *countedTexts {
	c := &countedTexts{ready: closed}
	e.Rooms.Share = func(int) rooms.SharedBody {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.in++
		return &countedText{all: c, ready: c.ready}
	}
	return c
}

// hold makes the next texts wait until letGo.
func (c *countedTexts) hold() (letGo func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ready := make(chan struct{})
	c.ready = ready
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(ready)
		c.ready = closed
	}
}

func (c *countedTexts) counts() (made, kept int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made, c.in - c.of
}

type countedText struct {
	uncountedBody
	all   *countedTexts
	ready chan struct{}
}

func (t *countedText) Ready() <-chan struct{} { return t.ready }

func (t *countedText) Set(text []byte) {
	t.uncountedBody.Set(text)
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.made++
}

func (t *countedText) Release() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.all.of++
}

// crowd fills a room with members of 2 KB.
func (w *world) crowd(e *Engine, room string, n int) (list []*client) {
	state := `,"state":{"x":"` + strings.Repeat("x", 2000) + `"}`
	for i := range n {
		c := w.connect(e, fmt.Sprint("crowd", i))
		c.join(room, fmt.Sprint("user", i), state)
		list = append(list, c)
	}
	time.Sleep(2 * rooms.SnapshotLife) // what was made for them is forgotten
	return list
}

// Everybody who asks at one seq is answered with one snapshot.
func TestOneSnapshotForAllSyncs(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		all := w.crowd(e, "r", 20)
		texts := countTexts(e)
		var asked []*promise
		for range 50 {
			for _, c := range all {
				asked = append(asked, c.send("sync", `{"roomId":"r"}`))
			}
		}
		synctest.Wait()
		for _, p := range asked {
			if len(p.ack.Snapshot) != 20 {
				t.Fatalf("answered %.200s", p.raw)
			}
		}
		if made, _ := texts.counts(); made != 1 {
			t.Errorf("%d snapshots were made for %d syncs at one seq", made, len(asked))
		}
		all[0].patch(`{"y":1}`)
		all[1].send("sync", `{"roomId":"r"}`).wait()
		if made, _ := texts.counts(); made != 2 {
			t.Errorf("%d snapshots made after an event", made)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, kept := texts.counts(); kept != 0 {
			t.Errorf("%d snapshots are kept that nobody needs", kept)
		}
	})
}

// mute is an answerer for a request that wants no answer.
type mute struct{ t *testing.T }

func (m mute) Answer(ack []byte)                                  { m.t.Errorf("answered %s", ack) }
func (m mute) AnswerShared([]byte, rooms.SharedBody, []byte) bool { m.t.Error("answered"); return true }
func (mute) Wanted() bool                                         { return false }

func TestSyncWithoutAnAckBuildsNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		e := w.nodes[0]
		all := w.crowd(e, "r", 20)
		texts := countTexts(e)
		for range 100 {
			all[0].sock.Sync([]byte(`{"roomId":"r"}`), mute{t})
		}
		synctest.Wait()
		if made, _ := texts.counts(); made != 0 {
			t.Errorf("%d snapshots were made for nobody", made)
		}
	})
}

// What waits in an executor when its socket goes is not carried out.
func TestNoWorkForThoseWhoAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		runWorld(t, st, 1, func(w *world) {
			e := w.nodes[0]
			all := w.crowd(e, "r", 20)
			texts := countTexts(e)
			asked, begin := 0, make(chan struct{})
			allow := func(context.Context, wire.JoinRequest) error { asked++; <-begin; return nil }
			a := all[0]
			answered := 0
			count := ackFunc(func([]byte) { answered++ })
			a.sock.Join([]byte(`{"roomId":"r","userId":"user0"}`), allow, count)
			synctest.Wait()
			for range 50 {
				a.sock.Join([]byte(`{"roomId":"r","userId":"user0"}`), allow, count)
				a.sock.Heartbeat([]byte(`{"roomId":"r","patchState":{"n":1}}`), count)
				a.sock.Heartbeat([]byte(`{"roomId":"r"}`), count)
				a.sock.Sync([]byte(`{"roomId":"r"}`), count)
			}
			writes := 0
			st.SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
				if c.Method == "Put" || c.Method == "Enter" || c.Method == "StartPut" {
					writes++
				}
				return storetest.Fault{}
			}})
			a.end(store.ReasonDisconnect, false)
			close(begin)
			synctest.Wait()
			if made, _ := texts.counts(); made != 0 || asked != 1 || answered != 0 || writes != 0 {
				t.Errorf("for one that was gone: %d snapshots, %d questions whether it may join, %d answers, %d writes", made, asked, answered, writes)
			}
			w.agree("r")
		})
	})
}

// Joins whose snapshot has to wait for its turn are answered together, with one.
func TestJoinsWaitTogetherForALargeSnapshot(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		e := w.nodes[0]
		all := w.crowd(e, "r", 20)
		texts := countTexts(e)
		letGo := texts.hold()
		var joins []*promise
		for i := range 30 {
			c := w.connect(e, fmt.Sprint("late", i))
			joins = append(joins, c.send("join", fmt.Sprintf(`{"roomId":"r","userId":"late%d"}`, i)))
		}
		synctest.Wait()
		all[0].patch(`{"y":1}`) // the others hear it meanwhile
		time.Sleep(3 * time.Second)
		if made, kept := texts.counts(); made != 0 || kept != 1 {
			t.Errorf("%d snapshots made, %d wait", made, kept)
		}
		letGo()
		time.Sleep(2 * rooms.AnswerPause)
		synctest.Wait()
		for _, p := range joins {
			if !p.ack.OK || len(p.ack.Snapshot) != 50 {
				t.Fatalf("answered %.200s", p.raw)
			}
		}
		if made, _ := texts.counts(); made != 1 {
			t.Errorf("%d snapshots were made for those who waited", made)
		}
		all[1].patch(`{"z":1}`)
		w.agree("r")
	})
}

// A join whose turn does not come is refused and undone, and leaves nothing.
func TestJoinThatWaitsTooLong(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		e := w.nodes[0]
		all := w.crowd(e, "r", 20)
		texts := countTexts(e)
		defer texts.hold()()
		b := w.connect(e, "b")
		begin := time.Now()
		if ack := b.send("join", `{"roomId":"r","userId":"bob"}`).wait(); ack.Code != wire.CodeRateLimited || ack.RetryAfterMs == 0 {
			t.Errorf("answered %+v", ack)
		}
		if took := time.Since(begin); took < rooms.AnswerTimeout || took > rooms.AnswerTimeout+time.Second {
			t.Errorf("after %v", took)
		}
		w.rest(time.Second)
		if slices.Contains(w.usersIn("r"), "bob") {
			t.Error("bob is stored, though his join was refused")
		}
		if ack := all[0].send("sync", `{"roomId":"r"}`).wait(); ack.Code != wire.CodeRateLimited {
			t.Errorf("a sync is answered %+v", ack)
		}
		before := all[2].join("r", "user2", "").Code
		if before != wire.CodeRateLimited {
			t.Errorf("a join again is answered %v", before)
		}
		w.rest(5 * time.Second)
		if all[2].view("r") == nil || b.isIn("r") {
			t.Error("who may hear the room has changed")
		}
		if m := w.storedOf("r", "user2"); len(m.State) < 2000 {
			t.Errorf("stored: %s with a state of %d bytes", m.UserID, len(m.State))
		}
		if ack := all[2].send("heartbeat", `{"roomId":"r","epoch":1}`).wait(); ack.Stale {
			t.Errorf("the membership before is stale: %+v", ack)
		}
		w.agree("r")
		if _, kept := texts.counts(); kept != 0 {
			t.Errorf("%d shares are kept", kept)
		}
		r := e.Owned.Of("r")
		r.Mu.Lock()
		defer r.Mu.Unlock()
		if len(r.SnapshotWaiters) != 0 || r.Serving || r.NextSnapshot != nil {
			t.Errorf("%d wait, serving %v", len(r.SnapshotWaiters), r.Serving)
		}
	})
}

// Who goes while its join waits does not hold its turn, and a node that drains or
// closes does not wait for it.
func TestWaitingJoinsEnd(t *testing.T) {
	for _, how := range []string{"gone", "drain", "close"} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				e := w.nodes[0]
				w.crowd(w.nodes[1], "r", 20)
				texts := countTexts(e)
				letGo := texts.hold()
				b := w.connect(e, "b")
				join := b.send("join", `{"roomId":"r","userId":"bob"}`)
				synctest.Wait()
				begin := time.Now()
				switch how {
				case "gone":
					b.end(store.ReasonDisconnect, false)
				case "drain":
					if _, err := e.DrainNode(context.Background()); err != nil {
						t.Error(err)
					}
					if join.wait().Code != wire.CodeShuttingDown {
						t.Errorf("answered %s", join.raw)
					}
				case "close":
					e.close()
				}
				time.Sleep(rooms.AnswerPause)
				synctest.Wait()
				if took := time.Since(begin); took > time.Second {
					t.Errorf("took %v", took)
				}
				if _, kept := texts.counts(); kept != 0 {
					t.Errorf("%d shares are kept", kept)
				}
				if how == "gone" {
					if stands := w.stored("r"); slices.ContainsFunc(stands, func(m store.Member) bool { return m.UserID == "bob" }) {
						t.Error("it is still a member")
					}
					letGo()
				}
			})
		})
	}
}
