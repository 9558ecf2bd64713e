package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// writeHook calls before ahead of each write of a member, and recorded after each room
// written to the record of a connection.
type writeHook struct {
	store.Store
	before   atomic.Pointer[func(m *store.Member)]
	recorded atomic.Pointer[func(node string)]
}

func (s *writeHook) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	if f := s.before.Load(); f != nil {
		(*f)(&p.Member)
	}
	s.Store.StartPut(ctx, p, w)
}

func (s *writeHook) ConnJoin(ctx context.Context, c store.Conn) error {
	err := s.Store.ConnJoin(ctx, c)
	if f := s.recorded.Load(); f != nil {
		(*f)(c.Node)
	}
	return err
}

func (s *writeHook) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

// A client that resumes on one node while another one takes its member over, or has
// just done so, leaves nothing in the index of that one.
func TestResumeBeatsATakeover(t *testing.T) {
	for _, when := range []string{"before it is stored", "before it is at its end"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook := &writeHook{Store: memstore.New(memstore.Options{})}
				runWorld(t, hook, 3, func(w *world) { resumeDuringTakeover(w, hook, when == "before it is stored") })
			})
		})
	}
}

func resumeDuringTakeover(w *world, hook *writeHook, early bool) {
	w.steady()
	first := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
	w.crash(w.nodes[0])
	again := []*client{w.connect(w.nodes[1], "a1"), w.connect(w.nodes[2], "a2")}
	var once atomic.Bool
	resume := func(claimant string) {
		if once.Swap(true) {
			return
		}
		if claimant == w.nodes[1].Self() {
			again[0] = again[1]
		}
		if ack := again[0].join("r", "ann", token(first)+`,"graceMs":60000`); !ack.Resumed {
			w.t.Errorf("%+v", ack)
		}
		time.Sleep(100 * time.Millisecond) // the claimant hears of it
	}
	if early {
		before := func(m *store.Member) { resume(m.Owner) }
		hook.before.Store(&before)
	} else {
		hook.recorded.Store(&resume)
	}
	w.rest(30 * time.Second)
	if !once.Load() {
		w.t.Error("nobody took it over")
	}
	again[0].send("leave", `{}`).wait()
	w.rest(2 * node.IndexKeeps)
	for i, e := range w.nodes[1:] {
		if left := w.stored("r"); len(left) > 0 {
			w.t.Errorf("node %d: %+v stand", i+1, left)
		}
		if rooms, _, err := w.store.NodeRooms(w.t.Context(), e.Self(), "", 10); err != nil || len(rooms) > 0 {
			w.t.Errorf("node %d holds %q, %v", i+1, rooms, err)
		}
	}
}

// A client that resumes on the very node that takes its member over keeps it.
func TestResumeOnTheNodeThatTakesOver(t *testing.T) {
	for _, first := range []string{"resume", "takeover"} {
		t.Run(first+" first", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook := &writeHook{Store: memstore.New(memstore.Options{})}
				runWorld(t, hook, 2, func(w *world) {
					w.steady()
					b := w.connect(w.nodes[1], "b")
					b.join("r", "bob", "")
					ack := w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":60000`)
					w.crash(w.nodes[0])
					a2 := w.connect(w.nodes[1], "a2")
					resume := func() { a2.send("join", `{"roomId":"r","userId":"ann","graceMs":60000`+token(ack)+`}`) }
					var once atomic.Bool
					meanwhile := func(*store.Member) {
						if once.Swap(true) {
							return
						}
						resume()
						if first == "resume" {
							time.Sleep(time.Millisecond) // the one that takes over waits
						}
					}
					hook.before.Store(&meanwhile)
					w.rest(20 * time.Second)
					if ack := a2.send("heartbeat", `{"roomId":"r","patchState":{"x":1}}`).wait(); !ack.Changed {
						t.Errorf("her patch: %+v", ack)
					}
					if m := w.stored("r")[0]; m.UntilMs != 0 || m.Away {
						t.Errorf("she stands as %+v, though she is connected", m)
					}
					w.agree("r")
				})
			})
		})
	}
}

// A member that a node left in grace is shown away when it has been gone for
// long enough, not when it is taken over.
func TestATakeoverKeepsTheTimeOfTheLoss(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.steady()
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":10000`)
		b.heard()
		if err := w.nodes[0].drain(w.t.Context()); err != nil {
			t.Error(err)
		}
		w.crash(w.nodes[0])
		time.Sleep(testSettings.AwayAfter - 10*time.Millisecond)
		want(t, "not away yet", b.heard(), "")
		time.Sleep(20 * time.Millisecond)
		want(t, "away", b.heard(), "update ann@r {} away")
	})
}

// A grace ends between the claimant's look at the member and its write: the member is removed
// all the same, at the next try.
func TestAGraceEndsDuringATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hook := &writeHook{Store: memstore.New(memstore.Options{})}
		runWorld(t, hook, 2, func(w *world) {
			w.steady()
			b := w.connect(w.nodes[1], "b")
			b.join("r", "bob", "")
			w.connect(w.nodes[0], "a").join("r", "ann", `,"graceMs":2500`)
			if err := w.nodes[0].drain(t.Context()); err != nil {
				t.Error(err)
			}
			w.crash(w.nodes[0])
			b.heard()
			late := false
			wait := func(m *store.Member) {
				if m.UserID == "ann" && !late {
					late = true
					ends := m.UntilMs - w.nodes[1].StoreNow()
					time.Sleep(time.Duration(ends+1) * time.Millisecond)
				}
			}
			hook.before.Store(&wait)
			w.rest(7 * time.Second)
			if !late {
				t.Error("it was not taken over")
			}
			want(t, "b", b.heard(), "leave ann@r shutdown")
			w.agree("r")
		})
	})
}
