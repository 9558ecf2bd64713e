package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

func TestFaultyPassesTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		return storetest.NewFaulty(memstore.New(memstore.Options{TTL: storetest.TTL}), storetest.Plan{})
	})
}

func join(conn string) store.Put {
	return store.Put{Room: "r", Intent: store.IntentJoin, Member: store.Member{
		ConnID: conn, UserID: "u", Owner: "n", Epoch: 1, Write: 1, State: []byte("{}"),
	}}
}

func members(t *testing.T, s store.Store) int {
	t.Helper()
	r, err := s.Load(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Members)
}

func rooms(t *testing.T, s store.Store) int {
	t.Helper()
	list, _, err := s.NodeRooms(t.Context(), "n", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestFaultyCalls(t *testing.T) {
	for _, c := range []struct {
		kind        storetest.Kind
		takes       time.Duration // until the answer
		then, later int           // rooms at the answer, and after the delay
	}{
		{storetest.FailBefore, 0, 0, 0},
		{storetest.FailAfter, 0, 1, 1},
		{storetest.Hang, 2 * time.Second, 0, 0},
		{storetest.HangLate, 2 * time.Second, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{
				Call: func(call storetest.Call) storetest.Fault {
					if call.Method != "AddRoom" {
						return storetest.Fault{}
					}
					if call.Room != "r" || call.Node != "n" {
						t.Errorf("call %+v", call)
					}
					return storetest.Fault{Kind: c.kind, Delay: time.Second}
				},
			})
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := f.AddRoom(ctx, store.NodeRoom{Node: "n", Room: "r"})
			if !errors.Is(err, store.ErrUnavailable) || time.Since(begin) != c.takes {
				t.Errorf("kind %d: %v after %v", c.kind, err, time.Since(begin))
			}
			if n := rooms(t, f); n != c.then {
				t.Errorf("kind %d: %d rooms at the answer, want %d", c.kind, n, c.then)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := rooms(t, f); n != c.later {
				t.Errorf("kind %d: %d rooms later, want %d", c.kind, n, c.later)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// waiter is a store.PutWaiter that is told once.
type waiter struct {
	t    *testing.T
	told chan error
}

func (w waiter) PutDone(_ store.PutResult, err error) {
	select {
	case w.told <- err:
	default:
		w.t.Errorf("told again: %v", err)
	}
}

func startJoin(t *testing.T, ctx context.Context, f *storetest.Faulty, conn string) waiter {
	w := waiter{t, make(chan error, 1)}
	p := join(conn)
	f.StartPut(ctx, &p, w)
	return w
}

func TestFaultyStartedPuts(t *testing.T) {
	for _, c := range []struct {
		kind        storetest.Kind
		takes       time.Duration
		then, later int
	}{
		{storetest.None, 0, 1, 1},
		{storetest.FailBefore, 0, 0, 0},
		{storetest.FailAfter, 0, 1, 1},
		{storetest.Hang, 2050 * time.Millisecond, 0, 0},
		{storetest.HangLate, 2050 * time.Millisecond, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{
				Call: func(call storetest.Call) storetest.Fault {
					if call.Method != "Put" {
						return storetest.Fault{}
					}
					return storetest.Fault{Kind: c.kind, Delay: time.Second}
				},
			})
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			w := startJoin(t, ctx, f, "c")
			if time.Since(begin) != 0 || c.kind == storetest.FailBefore && len(w.told) != 1 {
				t.Errorf("kind %d: StartPut took %v, told %d times", c.kind, time.Since(begin), len(w.told))
			}
			err := <-w.told
			if c.kind == storetest.None && err != nil || c.kind != storetest.None && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("kind %d: %v", c.kind, err)
			}
			if time.Since(begin) != c.takes {
				t.Errorf("kind %d: told after %v", c.kind, time.Since(begin))
			}
			if n := members(t, f); n != c.then {
				t.Errorf("kind %d: %d members at the answer, want %d", c.kind, n, c.then)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := members(t, f); n != c.later {
				t.Errorf("kind %d: %d members later, want %d", c.kind, n, c.later)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a process started comes to an end with it, and not while it stands still.
func TestFaultyStartedPutsFreezeAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		f.Freeze()
		a := startJoin(t, t.Context(), f, "a")
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(a.told) != 0 {
			t.Error("told while the process stands still")
		}
		f.Thaw()
		if err := <-a.told; err != nil {
			t.Error(err)
		}
		f.SetPlan(storetest.Plan{Call: func(c storetest.Call) storetest.Fault { return storetest.Fault{Kind: storetest.Hang} }})
		b := startJoin(t, t.Context(), f, "b")
		f.End()
		c := startJoin(t, t.Context(), f, "c")
		for _, w := range []waiter{b, c} {
			if len(w.told) != 1 {
				t.Fatal("not told by the end")
			}
			if err := <-w.told; !errors.Is(err, store.ErrClosed) {
				t.Errorf("a write of a process that ended: %v", err)
			}
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Whatever step of Enter goes wrong, and however, a member stands in a room that is one of
// its node's, the entry of a user names a member that is there, and the record of a
// connection a room where the user has an entry.
func TestEnterLeavesNothingWithoutWhatComesBefore(t *testing.T) {
	for i, method := range []string{"AddRoom", "Put", "AddUser", "ConnJoin"} {
		for kind, done := range map[storetest.Kind]int{storetest.FailBefore: i, storetest.FailAfter: i + 1} {
			st := memstore.New(memstore.Options{})
			f := storetest.NewFaulty(st, storetest.Plan{Call: func(c storetest.Call) (fault storetest.Fault) {
				if c.Method == method {
					fault.Kind = kind
				}
				return fault
			}})
			if _, err := f.Enter(t.Context(), store.EnterRequest{Put: join("c"), AddRoom: true}); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s fails: %v", method, err)
			}
			want := []string{"{node:n}:rooms", "{room:r}", "user:u", "conn:c"}[:done]
			slices.Sort(want)
			if keys := st.Keys(); !slices.Equal(keys, want) {
				t.Errorf("%s fails, kind %d: %q, want %q", method, kind, keys, want)
			}
			if err := f.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

type listener struct {
	mu  sync.Mutex
	got []string
}

func (l *listener) take(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, what)
}

func (l *listener) HandleEvent(e store.Event)     { l.take(e.Member.ConnID) }
func (l *listener) HandleCast(_ string, p []byte) { l.take(string(p)) }
func (l *listener) HandleInterrupt(room string, lost bool) {
	l.take(fmt.Sprintf("interrupt %s %t", room, lost))
}

func (l *listener) expect(t *testing.T, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.got, want) {
		t.Errorf("got %q, want %q", l.got, want)
	}
}

func TestFaultyDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fate []storetest.Delivery
		f := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{
			Deliver: func(string) storetest.Delivery {
				d := fate[0]
				fate = fate[1:]
				return d
			},
		})
		l := &listener{}
		if _, err := f.Subscribe(t.Context(), "r", l); err != nil {
			t.Fatal(err)
		}
		fate = []storetest.Delivery{{}, {Drop: true}, {Delay: time.Second}, {}, {Delay: time.Second}, {}}
		for i := range fate {
			if err := f.Publish(t.Context(), "r", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		f.InterruptSome(false, func(room string) bool { return room != "r" })
		f.Interrupt(true)
		synctest.Wait()
		l.expect(t, "0")
		time.Sleep(time.Second)
		synctest.Wait()
		l.expect(t, "0", "2", "3")
		time.Sleep(time.Second)
		synctest.Wait()
		l.expect(t, "0", "2", "3", "4", "5", "interrupt r true")
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSeededRepeats(t *testing.T) {
	draw := func(seed uint64) (out []storetest.Fault) {
		p := storetest.Seeded(seed, storetest.Rates{Before: .1, After: .1, Hang: .1, HangLate: .1, MaxDelay: time.Second})
		for range 200 {
			out = append(out, p.Call(storetest.Call{}))
		}
		return out
	}
	a := draw(1)
	if !slices.Equal(a, draw(1)) || slices.Equal(a, draw(2)) {
		t.Error("the faults do not follow the seed")
	}
	seen := map[storetest.Kind]int{}
	for _, f := range a {
		seen[f.Kind]++
	}
	if len(seen) != 5 || seen[storetest.None] < 80 {
		t.Errorf("faults %v", seen)
	}
}

func TestFaultyFreezesAndKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := storetest.NewFaulty(memstore.New(memstore.Options{}), storetest.Plan{})
		l := &listener{}
		if _, err := f.Subscribe(t.Context(), "r", l); err != nil {
			t.Fatal(err)
		}
		f.Freeze()
		errs := make(chan error, 2)
		put := func(conn string) { _, err := store.PutAndWait(t.Context(), f, join(conn)); errs <- err }
		go put("c")
		if _, err := store.PutAndWait(t.Context(), f.Backend, join("other")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		l.expect(t)
		if n := members(t, f.Backend); n != 1 {
			t.Errorf("%d members while the writer of one stands still", n)
		}
		f.Thaw()
		synctest.Wait()
		if err := <-errs; err != nil {
			t.Error(err)
		}
		l.expect(t, "other", "c")
		f.Freeze()
		go put("d")
		synctest.Wait()
		f.Kill()
		if err := <-errs; !errors.Is(err, store.ErrClosed) {
			t.Errorf("a call of a killed process: %v", err)
		}
		if n := members(t, f.Backend); n != 2 {
			t.Errorf("%d members, one by a killed process", n)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
