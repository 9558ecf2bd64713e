package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// slowStore is a healthy store that takes its time: a call waits before it is
// carried out, or its answer waits after it.
type slowStore struct {
	store.Store
	mu            sync.Mutex
	before, after map[string]time.Duration // by method
}

func newSlowStore() *slowStore { return slowOver(memstore.New(memstore.Options{})) }

func slowOver(st store.Store) *slowStore {
	return &slowStore{Store: st, before: make(map[string]time.Duration), after: make(map[string]time.Duration)}
}

func (s *slowStore) slow(method string, before, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[method], s.after[method] = before, after
}

func slowly[T any](ctx context.Context, s *slowStore, method string, run func() (T, error)) (T, error) {
	s.mu.Lock()
	before, after := s.before[method], s.after[method]
	s.mu.Unlock()
	wait := func(d time.Duration) error {
		if d == 0 {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", method, store.ErrUnavailable, ctx.Err())
		}
	}
	var none T
	if err := wait(before); err != nil {
		return none, err
	}
	got, err := run()
	if late := wait(after); late != nil {
		return none, late
	}
	return got, err
}

func (s *slowStore) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	go func() {
		w.PutDone(slowly(ctx, s, "Put", func() (store.PutResult, error) { return store.PutAndWait(ctx, s.Store, *p) }))
	}()
}

func (s *slowStore) Enter(ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
	return store.Steps(ctx, s, q)
}

func (s *slowStore) Remove(ctx context.Context, r store.Remove) (store.Outcome, error) {
	return slowly(ctx, s, "Remove", func() (store.Outcome, error) { return s.Store.Remove(ctx, r) })
}

func (s *slowStore) Load(ctx context.Context, room string) (store.Room, error) {
	return slowly(ctx, s, "Load", func() (store.Room, error) { return s.Store.Load(ctx, room) })
}

func (s *slowStore) ConnJoin(ctx context.Context, c store.Conn) error {
	_, err := slowly(ctx, s, "ConnJoin", func() (struct{}, error) { return struct{}{}, s.Store.ConnJoin(ctx, c) })
	return err
}

func (s *slowStore) ConnLeave(ctx context.Context, c store.Conn) error {
	_, err := slowly(ctx, s, "ConnLeave", func() (struct{}, error) { return struct{}{}, s.Store.ConnLeave(ctx, c) })
	return err
}

func (s *slowStore) ConnRefresh(ctx context.Context, node string, seen []store.Seen) ([]string, error) {
	return slowly(ctx, s, "ConnRefresh", func() ([]string, error) { return s.Store.ConnRefresh(ctx, node, seen) })
}

func (s *slowStore) RemoveUser(ctx context.Context, u store.UserEntry) error {
	_, err := slowly(ctx, s, "RemoveUser", func() (struct{}, error) { return struct{}{}, s.Store.RemoveUser(ctx, u) })
	return err
}

// inSlowWorld is inWorld over a slow store.
func inSlowWorld(t *testing.T, nodes int, f func(w *world, st *slowStore)) {
	synctest.Test(t, func(t *testing.T) {
		st := newSlowStore()
		runWorld(t, st, nodes, func(w *world) { f(w, st) })
	})
}

// inFaultyWorld is inWorld over a faulty store.
func inFaultyWorld(t *testing.T, nodes int, f func(w *world, st *storetest.Faulty)) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		runWorld(t, st, nodes, func(w *world) { f(w, st) })
	})
}

func hang(methods ...string) storetest.Plan {
	return storetest.Plan{Call: func(c storetest.Call) storetest.Fault {
		if c.Method != "Beat" && (len(methods) == 0 || slices.Contains(methods, c.Method)) {
			return storetest.Fault{Kind: storetest.Hang}
		}
		return storetest.Fault{}
	}}
}

// deaf loses all that the bridge brings.
func deaf() storetest.Plan {
	return storetest.Plan{Deliver: func(string) storetest.Delivery { return storetest.Delivery{Drop: true} }}
}

// took is how long an answer takes.
func (p *promise) took() time.Duration {
	begin := time.Now()
	p.wait()
	return time.Since(begin)
}

// --- drain

// A join on its way when the node drains must not stand when the drain says
// that the node is empty: its life sign is gone, nobody will ever reap it.
func TestDrainWithAJoinInFlight(t *testing.T) {
	inSlowWorld(t, 2, func(w *world, st *slowStore) {
		b := w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		a := w.connect(w.nodes[0], "a")
		st.slow("Put", 0, 100*time.Millisecond) // it is at the store; its answer is on the way
		a.send("join", `{"roomId":"r","userId":"ann"}`)
		synctest.Wait()
		if err := w.nodes[0].drain(context.Background()); err != nil {
			t.Error(err)
		}
		w.nodes[0].close()
		time.Sleep(5 * time.Second)
		if left := w.stored("r"); len(left) != 1 {
			t.Errorf("%d members stand after the drain of ann's node, want bob alone", len(left))
		}
	})
}

// A member in grace that is shown away stays so when its node drains.
func TestDrainKeepsAway(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		a.end(store.ReasonDisconnect, false)
		time.Sleep(3 * time.Second)
		if err := w.nodes[0].drain(context.Background()); err != nil {
			t.Error(err)
		}
		w.agree("r")
	})
}

// --- the pool of departures

// While the store hangs and many connections end, a live socket still gets
// its answer within 2 s.
func TestRefusalIsNotBehindDepartures(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		var others []*client
		for i := range 400 {
			c := w.connect(w.nodes[0], fmt.Sprint("x", i))
			c.join(fmt.Sprint("room", i), "u", "")
			others = append(others, c)
		}
		st.SetPlan(hang())
		for _, c := range others {
			c.end(store.ReasonDisconnect, false)
		}
		first := a.send("heartbeat", `{"patchState":{"n":1}}`)
		if d := first.took(); d > 2100*time.Millisecond || first.ack.Code != wire.CodeUnavailable {
			t.Errorf("the first patch: %s after %v", first.raw, d)
		}
		time.Sleep(time.Second) // the doubt is being settled
		second := a.send("heartbeat", `{"patchState":{"n":2}}`)
		if d := second.took(); d > 2100*time.Millisecond {
			t.Errorf("the second patch was answered %s after %v, want unavailable within 2 s", second.raw, d)
		}
		st.SetPlan(storetest.Plan{})
	})
}

// One room's place in the store does not answer, and many writes there are in
// doubt: who leaves another room does not wait for them.
func TestDoubtsDoNotHoldUpDepartures(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		e := w.nodes[0]
		watcher, victim := w.connect(e, "watcher"), w.connect(e, "victim")
		watcher.join("v", "wat", "")
		victim.join("v", "vic", "")
		var others []*client
		for i := range 4 * core.LeavesAtOnce {
			c := w.connect(e, fmt.Sprint("x", i))
			c.join(fmt.Sprint("r", i), "u", "")
			others = append(others, c)
		}
		watcher.heard()
		st.SetPlan(storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
			if strings.HasPrefix(c.Room, "r") {
				f.Kind = storetest.Hang
			}
			return f
		}})
		for _, c := range others {
			c.send("heartbeat", `{"patchState":{"n":1}}`)
		}
		w.rest(testSettings.StoreTimeout + core.RetryInterval)
		victim.end(store.ReasonDisconnect, false)
		w.rest(100 * time.Millisecond)
		want(t, "100 ms after the victim's end the watcher", watcher.heard(), "leave vic@v disconnect")
		st.SetPlan(storetest.Plan{})
		w.rest(5 * time.Second)
	})
}

// One hostile client that keeps its executors busy does not keep the leaves of
// others from happening.
func TestBusyLanesDoNotHoldUpDepartures(t *testing.T) {
	inSlowWorld(t, 2, func(w *world, st *slowStore) {
		e := w.nodes[0]
		a := w.connect(e, "a")
		watcher, victim := w.connect(e, "watcher"), w.connect(e, "victim")
		watcher.join("v", "wat", "")
		victim.join("v", "vic", "")
		watcher.heard()
		const rooms = 64
		for i := range rooms {
			a.join(fmt.Sprint("r", i), "ann", `,"graceMs":60000`)
		}
		st.slow("Put", 10*time.Millisecond, 0)
		// The 64 executors of a show it away on the pool, and a keeps them from running dry.
		a.sock.MarkSilent()
		a.mu.Lock()
		a.wake = nil // and it stays silent
		a.mu.Unlock()
		n := 0
		flood := func() {
			for i := range rooms {
				n++
				a.send("heartbeat", fmt.Sprintf(`{"roomId":"r%d","patchState":{"n":%d}}`, i, n))
			}
		}
		time.Sleep(15 * time.Millisecond)
		flood()
		victim.end(store.ReasonDisconnect, true)
		for range 60 {
			time.Sleep(9 * time.Millisecond)
			flood()
		}
		got := watcher.heard()
		st.slow("Put", 0, 0)
		if got != "leave vic@v disconnect" {
			t.Errorf("half a second after the victim's disconnect the watcher heard %q", got)
		}
	})
}

// --- resume

// A token fits although the event of its join has not reached the node yet.
func TestResumeOnANodeThatLagsBehind(t *testing.T) {
	inFaultyWorld(t, 2, func(w *world, st *storetest.Faulty) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[1], "b")
		b.join("r", "bob", "")
		// The channel of node 1, the first to have subscribed, is late.
		n := 0
		st.SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
			n++
			if n == 1 {
				return storetest.Delivery{Delay: 500 * time.Millisecond}
			}
			return storetest.Delivery{}
		}})
		first := a.join("r", "ann", `,"graceMs":15000`)
		a.end(store.ReasonDisconnect, false)
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)); !ack.Resumed {
			t.Errorf("resumed %v as %s, members %d", ack.Resumed, ack.Self.ConnID, len(ack.Snapshot))
		}
	})
}

// The grace that a resume asked for is in force for the resumes after it.
func TestGraceOfAResumeStays(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":5000`)
		a.end(store.ReasonDisconnect, false)
		a2 := w.connect(w.nodes[1], "a2")
		if ack := a2.join("r", "ann", token(first)+`,"graceMs":60000`); ack.Self.GraceMs != 60000 {
			t.Errorf("%+v", ack.Self)
		}
		a2.end(store.ReasonDisconnect, false)
		time.Sleep(time.Second)
		a3 := w.connect(w.nodes[0], "a3")
		if ack := a3.join("r", "ann", token(first)); ack.Self.GraceMs != 60000 {
			t.Errorf("left out, the grace became %d, want the 60000 in force", ack.Self.GraceMs)
		}
	})
}

// The grace in force after a resume that asked for none is none.
func TestResumeWithoutGrace(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		first := a.join("r", "ann", `,"graceMs":5000`)
		a.end(store.ReasonDisconnect, false)
		a2 := w.connect(w.nodes[0], "a2")
		ack := a2.join("r", "ann", token(first)+`,"graceMs":0`)
		if ack.Self.Resume != "" {
			t.Errorf("%+v", ack.Self)
		}
		b.heard()
		a2.send("leave", `{"graceMs":3000}`).wait()
		want(t, "a member that was given no token leaves at once", b.heard(), "leave ann@r leave")
	})
}

// Epochs of a connId only rise, whatever sockets had it.
func TestEpochsOfAConnIDRise(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":15000`)
		a2 := w.connect(w.nodes[0], "a2")
		a2.join("r", "ann", token(first))
		last := a2.join("r", "ann", `,"graceMs":15000`)
		a2.send("leave", `{}`).wait()
		ack := a.join("r", "ann", "")
		if ack.Self.ConnID == last.Self.ConnID && ack.Self.Epoch <= last.Self.Epoch {
			t.Errorf("connId %s had epoch %d and then %d", ack.Self.ConnID, last.Self.Epoch, ack.Self.Epoch)
		}
	})
}

// A join is refused within 2 s even where its token fits nothing any more.
func TestResumeThatFailsIsAnsweredInTime(t *testing.T) {
	inSlowWorld(t, 2, func(w *world, st *slowStore) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		first := a.join("r", "ann", `,"graceMs":15000`)
		a.end(store.ReasonDisconnect, false)
		a2 := w.connect(w.nodes[0], "a2")
		st.slow("Put", 1500*time.Millisecond, 0)
		p := a2.send("join", `{"roomId":"r","userId":"ann"`+token(first)+`}`)
		time.Sleep(1400 * time.Millisecond)
		st.slow("ConnLeave", time.Minute, 0)
		st.slow("Unregister", time.Minute, 0)
		if _, err := w.nodes[0].Kick(context.Background(), KickTarget{RoomID: "r", UserID: "ann"}); err != nil {
			t.Error(err)
		}
		if d := p.took(); d > 700*time.Millisecond {
			t.Errorf("answered %s after %v", p.raw, d+1400*time.Millisecond)
		}
		st.slow("Put", 0, 0)
		st.slow("ConnLeave", 0, 0)
		st.slow("Unregister", 0, 0)
	})
}

// --- grace

// A hiccup of the store at the moment when a member is to be shown away does
// not keep it online for the rest of a long grace.
func TestAwayIsShownAfterAHiccup(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"graceMs":60000`)
		b.join("r", "bob", "")
		b.heard()
		st.SetPlan(hang("Put"))
		a.patch(`{"n":1}`) // refused: in doubt
		a.end(store.ReasonDisconnect, false)
		time.Sleep(6 * time.Second)
		st.SetPlan(storetest.Plan{})
		w.rest(20 * time.Second)
		if got := b.heard(); !strings.Contains(got, "away") {
			t.Errorf("20 s after the store is back b heard %q, want ann away", got)
		}
	})
}

// --- connId

// A join behind a leave keeps the socket's id, also when the leave's event is
// still on its way.
func TestConnIDIsTheSocketID(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", "")
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		st.SetPlan(storetest.Plan{Deliver: func(string) storetest.Delivery {
			return storetest.Delivery{Delay: 5 * time.Millisecond}
		}})
		a.send("leave", `{}`).wait()
		if ack := a.join("r", "ann", ""); ack.Self.ConnID != "sock-a" {
			t.Errorf("after a leave: connId %q", ack.Self.ConnID)
		}
		if ack := b.join("r", "ben", ""); ack.Self.ConnID != "sock-b" {
			t.Errorf("as another user: connId %q", ack.Self.ConnID)
		}
	})
}

// --- kick

// A kick of a member whose join is in flight costs the socket a refusal, not
// the next two seconds.
func TestJoinAfterAKickInFlight(t *testing.T) {
	inSlowWorld(t, 1, func(w *world, st *slowStore) {
		a := w.connect(w.nodes[0], "a")
		st.slow("ConnJoin", 100*time.Millisecond, 0)
		p := a.send("join", `{"roomId":"r","userId":"ann"}`)
		time.Sleep(50 * time.Millisecond)
		if n, err := w.nodes[0].Kick(context.Background(), KickTarget{RoomID: "r", UserID: "ann"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		p.wait()
		t.Log(p.raw)
		again := a.send("join", `{"roomId":"r","userId":"ann"}`)
		if again.wait(); !again.ack.OK {
			t.Errorf("the store is well, yet: %s", again.raw)
		}
	})
}

// --- records of connections

// --- order and heartbeats

// A heartbeat without a patch does not wait for the patch before it.
func TestHeartbeatBehindAJoinDoesNotWaitForAPatch(t *testing.T) {
	inSlowWorld(t, 1, func(w *world, st *slowStore) {
		a := w.connect(w.nodes[0], "a")
		st.slow("Put", time.Second, 0)
		join := a.send("join", `{"roomId":"r","userId":"ann"}`)
		a.send("heartbeat", `{"patchState":{"n":1}}`)
		beat := a.send("heartbeat", `{}`)
		join.wait()
		if d := beat.took(); d > 0 {
			t.Errorf("answered %v after the join's ack, while the patch was at the store", d)
		}
		st.slow("Put", 0, 0)
	})
}

// A heartbeat for all rooms, none of which the socket is in, is refused.
func TestHeartbeatForAllBehindRefusedJoins(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a := w.connect(w.nodes[0], "a")
		st.SetPlan(hang("Put"))
		a.send("join", `{"roomId":"r","userId":"ann"}`)
		a.send("join", `{"roomId":"s","userId":"ann"}`)
		beat := a.send("heartbeat", `{}`)
		time.Sleep(3 * time.Second)
		st.SetPlan(storetest.Plan{})
		if beat.wait(); beat.ack.OK {
			t.Errorf("both joins were refused, the heartbeat behind them was answered %s", beat.raw)
		}
	})
}

// --- events

// The joiner hears its own join unless the ack's seq is past it, also when the
// event was lost on its way.
func TestOwnJoinAfterALostEvent(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		b := w.connect(w.nodes[0], "b")
		b.join("r", "bob", "")
		b.heard()
		st.SetPlan(deaf())
		a := w.connect(w.nodes[0], "a")
		ack := a.join("r", "ann", "")
		st.SetPlan(storetest.Plan{})
		want(t, "b", b.heard(), "join ann@r {}")
		if got := a.heard(); ack.Seq == w.stored("r")[0].Seq && got != "join ann@r {}" {
			t.Errorf("the ack stands at the join's own seq, yet the joiner heard %q", got)
		}
	})
}

// A join whose event was lost while a load was under way is found by another.
func TestEventLostDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		st := slowOver(faulty)
		runWorld(t, st, 1, func(w *world) {
			b := w.connect(w.nodes[0], "b")
			b.join("r", "bob", "")
			st.slow("Load", 0, 300*time.Millisecond)
			w.nodes[0].Owned.Of("r").HandleInterrupt("r", false)
			time.Sleep(10 * time.Millisecond)
			faulty.SetPlan(deaf())
			a := w.connect(w.nodes[0], "a")
			p := a.send("join", `{"roomId":"r","userId":"ann"}`)
			time.Sleep(10 * time.Millisecond)
			faulty.SetPlan(storetest.Plan{})
			if p.wait(); !p.ack.OK {
				t.Errorf("the store is well, yet: %s", p.raw)
			}
			st.slow("Load", 0, 0)
		})
	})
}

// --- bounds

// What one connection can have under way is bounded, also over many rooms.
func TestSeatsOfASocketAreBounded(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		st.SetPlan(hang())
		a := w.connect(w.nodes[0], "a")
		before := runtime.NumGoroutine()
		for i := range 3000 {
			a.sock.Join([]byte(fmt.Sprintf(`{"roomId":"r%d","userId":"u"}`, i)), nil, ackFunc(func([]byte) {}))
			a.sock.Leave([]byte(fmt.Sprintf(`{"roomId":"r%d"}`, i)), ackFunc(func([]byte) {}))
		}
		synctest.Wait()
		n := len(w.nodes[0].Sockets.Sessions())
		if n > 2*testSettings.Limits.Rooms {
			t.Errorf("one connection with a limit of 100 rooms holds %d seats, %d replicas and %d goroutines",
				n, len(w.nodes[0].Rooms.All()), runtime.NumGoroutine()-before)
		}
		time.Sleep(5 * time.Second)
		st.SetPlan(storetest.Plan{})
	})
}

// What waits for one connection is bounded in bytes.
func TestQueuedRequestsAreBoundedInBytes(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		st.SetPlan(hang())
		a := w.connect(w.nodes[0], "a")
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		payload := []byte(`{"roomId":"r","userId":"u","resume":"` + strings.Repeat("x", 900_000) + `"}`)
		for range 200 {
			a.sock.Join(payload, nil, ackFunc(func([]byte) {}))
		}
		if grown := heap() - before; grown > 32<<20 {
			t.Errorf("200 requests of one connection hold %d MB while they wait; 1024 may wait in an executor", grown>>20)
		}
		st.SetPlan(storetest.Plan{})
	})
}

// The token stays the same for the whole owned member.
func TestTokenStaysTheSame(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		first := a.join("r", "ann", `,"graceMs":5000`)
		a.join("r", "ann", "")
		if again := a.join("r", "ann", `,"graceMs":5000`); again.Self.Resume != first.Self.Resume {
			t.Errorf("the token of one membership was %s and is %s", first.Self.Resume, again.Self.Resume)
		}
	})
}

// --- in doubt

// A leave with a grace behind a patch in doubt stores its grace.
func TestLeaveWithGraceBehindADoubt(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"graceMs":60000`)
		st.SetPlan(hang("Put"))
		a.patch(`{"n":1}`)
		st.SetPlan(storetest.Plan{})
		a.send("leave", `{"graceMs":10000}`).wait()
		if m := w.stored("r")[0]; m.UntilMs == 0 || m.Lost != store.ReasonLeave {
			t.Errorf("the stored member has until %d and reason %q", m.UntilMs, m.Lost)
		}
	})
}

// A join of a member that was refused before it reached the store is not
// carried out after all, only to be taken back.
func TestARefusedRejoinIsNotShown(t *testing.T) {
	inFaultyWorld(t, 1, func(w *world, st *storetest.Faulty) {
		a, b := w.connect(w.nodes[0], "a"), w.connect(w.nodes[0], "b")
		a.join("r", "ann", `,"state":{"n":1}`)
		b.join("r", "bob", "")
		b.heard()
		st.SetPlan(hang("Put"))
		if ack := a.join("r", "ann", `,"state":{"n":2}`); ack.Code != wire.CodeUnavailable {
			t.Errorf("%+v", ack)
		}
		st.SetPlan(storetest.Plan{})
		w.rest(10 * time.Second)
		want(t, "b, of a join that was refused and never carried out", b.heard(), "")
	})
}

// --- payloads

func TestPatchesThatChangeNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		a.join("r", "ann", `,"state":{"a":1,"o":{"x":1,"y":2}}`)
		for _, patch := range []string{`{"a":2,"a":1}`, `{"o":{"x": 1, "y": 2}}`} {
			if ack := a.patch(patch); ack.Changed {
				t.Errorf("%s changed the state: %+v", patch, ack)
			}
		}
	})
}

func TestStaleBeforeTooLarge(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		a := w.connect(w.nodes[0], "a")
		big := `{"x":"` + strings.Repeat("y", 17<<10) + `"}`
		if ack := a.send("heartbeat", `{"roomId":"r","patchState":`+big+`}`).wait(); ack.Code != wire.CodeNotJoined {
			t.Errorf("not joined: %s", ack.Code)
		}
		a.join("r", "ann", "")
		if ack := a.send("heartbeat", `{"epoch":0,"patchState":`+big+`}`).wait(); !ack.Stale {
			t.Errorf("a stale one is not looked at: %+v", ack)
		}
		loose := `{"x":1` + strings.Repeat(" ", 17<<10) + `}`
		if ack := a.patch(loose); !ack.Changed {
			t.Errorf("the state after the merge is 7 bytes: %+v", ack)
		}
	})
}
