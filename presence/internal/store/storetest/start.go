package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// told is a store.PutWaiter that must be told once.
type told struct {
	s     *suite
	times atomic.Int32
	done  chan struct{}
	then  func()
	res   store.PutResult
	err   error
}

// PutDone implements store.PutWaiter.
func (w *told) PutDone(res store.PutResult, err error) {
	if n := w.times.Add(1); n > 1 {
		w.s.Errorf("told %d times: %+v, %v", n, res, err)
		return
	}
	w.res, w.err = res, err
	w.then()
	close(w.done)
}

// wait returns once the waiter was told.
func (w *told) wait() *told {
	select {
	case <-w.done:
	case <-time.After(patience):
		w.s.Fatal("told of nothing")
	}
	return w
}

// start starts a join without a wait. then runs when it is done.
func (s *suite) start(connID string, then func()) *told {
	w := &told{s: s, done: make(chan struct{}), then: then}
	p := joinOf(connID, "u1")
	s.b.StartPut(s.ctx, &p, w)
	return w
}

// startMany starts so many joins without a wait in between.
func (s *suite) startMany(n int) []*told {
	waiters := make([]*told, n)
	for i := range waiters {
		waiters[i] = s.start(fmt.Sprint("c", i), nothing)
	}
	return waiters
}

var startTests = []test{
	{"many at once: each is told of its own", func(s *suite) {
		const n = 300
		seen := make(map[int64]bool)
		for i, w := range s.startMany(n) {
			s.must(w.wait().err)
			s.outcome(w.res.Outcome, store.Applied)
			if want := fmt.Sprint("c", i); w.res.Member.ConnID != want || seen[w.res.Seq] {
				s.Errorf("the write of %s is told of %+v", want, w.res)
			}
			seen[w.res.Seq] = true
		}
		if got := len(s.load(room).Members); got != n {
			s.Errorf("%d members, want %d", got, n)
		}
	}},
	{"the waiter may call the store", func(s *suite) {
		var second *told
		s.start("c1", func() { second = s.start("c2", nothing) }).wait()
		s.must(second.wait().err)
		s.outcome(second.res.Outcome, store.Applied)
		if got := len(s.load(room).Members); got != 2 {
			s.Errorf("%d members, want 2", got)
		}
	}},
	{"a store that closes tells every waiter", func(s *suite) {
		waiters := s.startMany(300)
		s.must(s.b.Close(s.ctx))
		for _, w := range waiters {
			if err := w.wait().err; err != nil && !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrUnavailable) {
				s.Errorf("error %v", err)
			}
		}
	}},
}
