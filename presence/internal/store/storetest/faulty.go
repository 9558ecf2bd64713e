package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Kind says what goes wrong with a call.
type Kind byte

// The kinds of fault. All but None answer an error that wraps
// store.ErrUnavailable.
const (
	// None lets the call through.
	None Kind = iota
	// FailBefore answers at once; nothing is carried out.
	FailBefore
	// FailAfter carries the call out and loses the answer.
	FailAfter
	// Hang answers when the context ends; nothing is carried out.
	Hang
	// HangLate answers when the context ends; Fault.Delay after that, the
	// call is carried out.
	HangLate
)

// Fault is what happens to one call.
type Fault struct {
	Kind  Kind
	Delay time.Duration
}

// Call names one call of a store.
type Call struct {
	// Method is the name of the method of store.Store, but Put for StartPut.
	Method string
	// Room is empty where the call is not about one.
	Room string
	// Node is the node that the call acts for, where it says so.
	Node string
}

// Delivery is what happens to one event or cast on its way to a receiver.
type Delivery struct {
	// Drop loses it.
	Drop bool
	// Delay holds it, and all that follow it in the same subscription.
	Delay time.Duration
}

// Plan decides on faults. A nil function means none. Both are called from many
// goroutines, one call at a time.
type Plan struct {
	Call    func(Call) Fault
	Deliver func(room string) Delivery
}

// Rates are the shares, from 0 to 1, of calls and deliveries that go wrong.
type Rates struct {
	Before, After, Hang, HangLate float64
	Drop, Delay                   float64
	// MaxDelay bounds every delay; they are spread evenly below it.
	MaxDelay time.Duration
}

// Seeded is a Plan that throws dice: the same seed and the same order of calls
// give the same faults.
func Seeded(seed uint64, r Rates) Plan {
	dice := rand.New(rand.NewPCG(seed, 0))
	delay := func() time.Duration { return time.Duration(dice.Float64() * float64(r.MaxDelay)) }
	return Plan{
		Call: func(Call) Fault {
			x := dice.Float64()
			for _, c := range []struct {
				share float64
				kind  Kind
			}{{r.Before, FailBefore}, {r.After, FailAfter}, {r.Hang, Hang}, {r.HangLate, HangLate}} {
				if x < c.share {
					return Fault{Kind: c.kind, Delay: delay()}
				}
				x -= c.share
			}
			return Fault{}
		},
		Deliver: func(string) Delivery {
			switch x := dice.Float64(); {
			case x < r.Drop:
				return Delivery{Drop: true}
			case x < r.Drop+r.Delay:
				return Delivery{Delay: delay()}
			}
			return Delivery{}
		},
	}
}

// Faulty is a store that goes wrong as planned. Methods that only serve tests
// (those of Backend) never do.
type Faulty struct {
	Backend

	mu     sync.Mutex
	plan   Plan
	closed bool
	subs   map[*faultySub]struct{}
	late   sync.WaitGroup
	stop   context.CancelFunc
	life   context.Context
	pause  pause
}

var (
	_ Backend       = (*Faulty)(nil)
	_ store.Sharded = (*Faulty)(nil)
)

// NewFaulty wraps a store. Closing it closes that one.
func NewFaulty(b Backend, p Plan) *Faulty {
	f := &Faulty{Backend: b, plan: p, subs: make(map[*faultySub]struct{})}
	f.life, f.stop = context.WithCancel(context.Background())
	f.pause.killed = make(chan struct{})
	return f
}

// Sharded implements store.Sharded: a Plan can have calls about some rooms hang.
func (f *Faulty) Sharded() bool { return true }

// SetPlan replaces the plan for what comes after.
func (f *Faulty) SetPlan(p Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = p
}

// Close ends what is held back or under way, and closes the store below.
func (f *Faulty) Close(ctx context.Context) error {
	f.End()
	return f.Backend.Close(ctx)
}

// End is Close for one of several that share the store below: that one stays
// open.
func (f *Faulty) End() {
	f.Kill()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.late.Wait()
}

func (f *Faulty) decide(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan.Call == nil {
		return Fault{}
	}
	fault := f.plan.Call(c)
	if c.Method == "Subscribe" || c.Method == "SubscribeNodes" {
		// Without an answer there is no subscription that anyone could close.
		switch fault.Kind {
		case FailAfter:
			fault.Kind = FailBefore
		case HangLate:
			fault.Kind = Hang
		}
	}
	return fault
}

// lateRun is how long a call may take that is carried out after its time.
const lateRun = 5 * time.Second

// do makes one call go as planned.
func do[T any](ctx context.Context, f *Faulty, c Call, run func(context.Context) (T, error)) (T, error) {
	return doAs(ctx, f, c, f.decide(c), run)
}

// doAs makes one call go as decided.
func doAs[T any](ctx context.Context, f *Faulty, c Call, fault Fault, run func(context.Context) (T, error)) (T, error) {
	var none T
	if !f.Wait() {
		return none, fmt.Errorf("%s: %w", c.Method, store.ErrClosed)
	}
	res, err := doNow(ctx, f, c, fault, run)
	if !f.Wait() {
		return none, fmt.Errorf("%s: %w", c.Method, store.ErrClosed)
	}
	return res, err
}

func doNow[T any](ctx context.Context, f *Faulty, c Call, fault Fault, run func(context.Context) (T, error)) (T, error) {
	var none T
	switch fault.Kind {
	case None:
		return run(ctx)
	case FailAfter:
		if _, err := run(ctx); err != nil {
			return none, err
		}
	case Hang, HangLate:
		select {
		case <-ctx.Done():
		case <-f.pause.killed:
		}
		if fault.Kind == HangLate {
			f.after(fault.Delay, func(ctx context.Context) { _, _ = run(ctx) })
		}
		return none, fmt.Errorf("%s: injected fault: %w: %w", c.Method, store.ErrUnavailable, ctx.Err())
	}
	return none, fmt.Errorf("%s: injected fault: %w", c.Method, store.ErrUnavailable)
}

// after runs something later, unless the store is closed by then.
func (f *Faulty) after(delay time.Duration, run func(context.Context)) {
	_ = f.start(func() {
		select {
		case <-time.After(delay):
			ctx, cancel := context.WithTimeout(f.life, lateRun)
			defer cancel()
			run(ctx)
		case <-f.life.Done():
		}
	})
}

// start runs something on a goroutine that End waits for. It reports false, and
// runs nothing, when the store is closed.
func (f *Faulty) start(run func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.late.Go(run)
	return true
}

// do1 is do for a call with one argument.
func do1[A, T any](ctx context.Context, f *Faulty, c Call, run func(context.Context, A) (T, error), a A) (T, error) {
	return do(ctx, f, c, func(ctx context.Context) (T, error) { return run(ctx, a) })
}

// do0 is do1 for a call that only answers an error.
func do0[A any](ctx context.Context, f *Faulty, c Call, run func(context.Context, A) error, a A) error {
	_, err := do(ctx, f, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, run(ctx, a) })
	return err
}

// doPage is do for a call that answers a page of a list.
func doPage[T any](ctx context.Context, f *Faulty, c Call, run func(context.Context) ([]T, string, error)) ([]T, string, error) {
	type page struct {
		list []T
		next string
	}
	p, err := do(ctx, f, c, func(ctx context.Context) (page, error) {
		list, next, err := run(ctx)
		return page{list, next}, err
	})
	return p.list, p.next, err
}
