package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// started is a store.Starter whose Put is a StartPut and a wait.
type started struct {
	Backend
	store store.Starter
	t     *testing.T
}

// canStart tells whether the stores that open returns start writes.
func canStart(t *testing.T, open func(t *testing.T) Backend) bool {
	b := open(t)
	_, ok := b.(store.Starter)
	if err := b.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	return ok
}

// starting opens stores that are written to by StartPut.
func starting(open func(t *testing.T) Backend) func(t *testing.T) Backend {
	return func(t *testing.T) Backend {
		b := open(t)
		return &started{b, b.(store.Starter), t}
	}
}

// Put implements store.Store.
func (s *started) Put(ctx context.Context, p store.Put) (store.PutResult, error) {
	return s.start(ctx, &p).wait()
}

func (s *started) start(ctx context.Context, p *store.Put) *told {
	w := newTold(s.t)
	s.store.StartPut(ctx, p, w)
	return w
}

type answer struct {
	res store.PutResult
	err error
}

// told is a store.PutWaiter that must be told once.
type told struct {
	t      *testing.T
	times  atomic.Int32
	answer chan answer
}

func newTold(t *testing.T) *told { return &told{t: t, answer: make(chan answer, 1)} }

// PutDone implements store.PutWaiter.
func (w *told) PutDone(res store.PutResult, err error) {
	if n := w.times.Add(1); n > 1 {
		w.t.Errorf("told %d times: %+v, %v", n, res, err)
		return
	}
	w.answer <- answer{res, err}
}

func (w *told) wait() (store.PutResult, error) {
	select {
	case a := <-w.answer:
		return a.res, a.err
	case <-time.After(patience):
		w.t.Error("told of nothing")
		return store.PutResult{}, errors.New("told of nothing")
	}
}

// startMany starts so many joins without a wait in between.
func startMany(s *suite, n int) []*told {
	waiters := make([]*told, n)
	for i := range waiters {
		p := joinOf(fmt.Sprint("c", i), "u1")
		waiters[i] = s.b.(*started).start(s.ctx, &p)
	}
	return waiters
}

var startTests = []test{
	{"many at once: each is told of its own", func(s *suite) {
		const n = 300
		seen := make(map[int64]bool)
		for i, w := range startMany(s, n) {
			res, err := w.wait()
			s.must(err)
			s.outcome(res.Outcome, store.Applied)
			if want := fmt.Sprint("c", i); res.Member.ConnID != want || seen[res.Seq] {
				s.Errorf("the write of %s is told of %+v", want, res)
			}
			seen[res.Seq] = true
		}
		if got := len(s.load(room).Members); got != n {
			s.Errorf("%d members, want %d", got, n)
		}
	}},
	{"the waiter may call the store", func(s *suite) {
		st := s.b.(*started)
		p, q := joinOf("c1", "u1"), joinOf("c2", "u1")
		then := newTold(s.T)
		st.store.StartPut(s.ctx, &p, waiterFunc(func(store.PutResult, error) { st.store.StartPut(s.ctx, &q, then) }))
		res, err := then.wait()
		s.must(err)
		s.outcome(res.Outcome, store.Applied)
		if got := len(s.load(room).Members); got != 2 {
			s.Errorf("%d members, want 2", got)
		}
	}},
	{"a store that closes tells every waiter", func(s *suite) {
		waiters := startMany(s, 300)
		s.must(s.b.Close(s.ctx))
		for _, w := range waiters {
			_, err := w.wait()
			if err != nil && !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrUnavailable) {
				s.Errorf("error %v", err)
			}
		}
	}},
}

// waiterFunc is a store.PutWaiter.
type waiterFunc func(store.PutResult, error)

// PutDone implements store.PutWaiter.
func (f waiterFunc) PutDone(res store.PutResult, err error) { f(res, err) }
