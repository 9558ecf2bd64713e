package memconn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

// sink is a far end that takes up to room bytes, and notes them.
type sink struct {
	mu     sync.Mutex
	room   int
	got    []byte
	closed int
	during func() // called in each Receive
}

func (s *sink) Receive(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(s.room, len(p))
	s.room -= n
	s.got = append(s.got, p[:n]...)
	if s.during != nil {
		s.during()
	}
	return n
}

func (s *sink) Closed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
}

func (s *sink) make(room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = room
}

const lots = 1 << 30

var _ net.Conn = (*Conn)(nil)

// A reader that waits is woken by what is fed, and a read without waiting finds nothing before.
func TestRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(&sink{room: lots})
		raw := rawio.Of(c)
		var got []byte
		var err error
		tries, buf := 0, make([]byte, 4)
		var reader sync.WaitGroup
		reader.Go(func() {
			err = raw.Read(func(fd uintptr) bool {
				tries++
				n, failed := raw.TryRead(fd, buf)
				got = append(got, buf[:n]...)
				return failed == io.EOF
			})
		})
		synctest.Wait()
		if tries != 1 || len(got) != 0 {
			t.Fatalf("%d tries before anything came, %q", tries, got)
		}
		text := []byte("hello, world")
		if !c.Feed(text) {
			t.Fatal("not taken")
		}
		clear(text) // it is the caller's
		synctest.Wait()
		if string(got) != "hello, world" || tries != 4 {
			t.Errorf("%q after %d tries", got, tries)
		}
		c.HangUp()
		reader.Wait()
		if err != nil || tries != 5 {
			t.Errorf("%v after %d tries", err, tries)
		}
		if n, err := c.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if c.Feed([]byte("x")) {
			t.Error("fed after its end")
		}
	})
}

// No more than a bound waits to be read.
func TestFeedIsBounded(t *testing.T) {
	c := New(&sink{})
	if !c.Feed(make([]byte, mostFed)) || c.Feed([]byte("x")) {
		t.Error("the bound is another one")
	}
	if n, err := io.ReadFull(c, make([]byte, mostFed)); n != mostFed || err != nil {
		t.Error(n, err)
	}
	if !c.Feed([]byte("x")) {
		t.Error("no room after it was read")
	}
}

// What the far end does not take waits for Resume, in order.
func TestWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{room: 3}
		c := New(s)
		raw := rawio.Of(c)
		var w rawio.Writer
		if n, err := w.Try(raw, []byte("abcdef")); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		s.make(lots)
		if n, err := w.Try(raw, []byte("def")); n != 0 || err != nil {
			t.Fatalf("before Resume: %d, %v", n, err)
		}
		var writer sync.WaitGroup
		writer.Go(func() {
			if n, err := c.Write([]byte("def")); n != 3 || err != nil {
				t.Error(n, err)
			}
		})
		synctest.Wait()
		if string(s.got) != "abc" {
			t.Errorf("%q", s.got)
		}
		c.Resume()
		writer.Wait()
		if string(s.got) != "abcdef" {
			t.Errorf("%q", s.got)
		}
		c.HangUp()
		if _, err := w.Try(raw, []byte("g")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("after the far end has hung up: %v", err)
		}
	})
}

// A Resume that comes before the end of the Receive that asks for it is not lost.
func TestResumeDuringReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{room: 1}
		c := New(s)
		s.during = func() {
			s.room = lots
			c.Resume()
		}
		if n, err := c.Write([]byte("abc")); n != 3 || err != nil || string(s.got) != "abc" {
			t.Error(n, err, string(s.got))
		}
	})
}

// A far end may feed the answer to what it is told.
func TestFeedDuringReceive(t *testing.T) {
	s := &sink{room: lots}
	c := New(s)
	s.during = func() { c.Feed([]byte("pong")) }
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, []byte("pong")) {
		t.Error(err, string(b))
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		c := New(s)
		b := make([]byte, 1)
		if n, err := rawio.Of(c).TryWrite(0, b); n != 0 || err != nil {
			t.Fatal(n, err) // and now it is full
		}
		for name, wait := range map[string]func() error{
			"read":  func() error { _, err := c.Read(b); return err },
			"write": func() error { _, err := c.Write(b); return err },
		} {
			begin := time.Now()
			_ = c.SetDeadline(begin.Add(time.Hour))
			_ = c.SetDeadline(begin.Add(time.Second)) // instead
			if err := wait(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(begin))
			}
			if err := wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, after it: %v", name, err)
			}
			_ = c.SetDeadline(time.Time{})
			var waiting sync.WaitGroup
			waiting.Go(func() {
				if err := wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s, while it waits: %v", name, err)
				}
			})
			synctest.Wait()
			_ = c.SetDeadline(time.Unix(1, 0)) // has passed
			waiting.Wait()
			_ = c.SetDeadline(time.Time{})
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		c := New(s)
		b := make([]byte, 1)
		_, _ = rawio.Of(c).TryWrite(0, b) // it is full
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if _, err := c.Read(b); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
		})
		waiting.Go(func() {
			if _, err := c.Write(b); err == nil {
				t.Error("written")
			}
		})
		synctest.Wait()
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, err := c.Write(b); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("after CloseWrite: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		waiting.Wait()
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Close: %v", err)
		}
		if s.closed != 1 {
			t.Errorf("the far end was told %d times", s.closed)
		}
		if _, err := c.Write(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if c.Feed(b) {
			t.Error("fed after Close")
		}
	})
}

func TestNoDescriptor(t *testing.T) {
	if err := rawio.Of(New(&sink{})).Control(func(uintptr) { t.Error("called") }); err == nil {
		t.Error("no error")
	}
}
