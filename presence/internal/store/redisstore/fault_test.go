//go:build unix

package redisstore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/access"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/topology"
)

func join(room, conn string) store.Put {
	return store.Put{Room: room, Intent: store.IntentJoin, Member: store.Member{
		ConnID: conn, UserID: "u", Owner: "n", Epoch: 1, Write: 1, State: []byte(`{"a":1}`),
	}}
}

// ear notes what it hears, in order.
type ear struct{ heard chan string }

func newEar() *ear { return &ear{make(chan string, 10_000)} }

func (e *ear) HandleEvent(ev store.Event)    { e.heard <- "event " + ev.Member.ConnID }
func (e *ear) HandleCast(_ string, p []byte) { e.heard <- "cast " + string(p) }
func (e *ear) HandleInterrupt(room string, lost bool) {
	if lost {
		e.heard <- "loss " + room
	} else {
		e.heard <- "interrupt " + room
	}
}

func (e *ear) next(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-e.heard:
		if got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("heard nothing, want %q", want)
	}
}

func listen(t *testing.T, s store.Store, room string) *ear {
	t.Helper()
	e := newEar()
	_, err := s.Subscribe(t.Context(), room, e)
	must(t, err)
	return e
}

// Far more calls than any queue has room for leave at their deadline, though
// the connection has not given up yet.
func TestStalledRedis(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	heard := listen(t, s, "r")
	must(t, syscall.Kill(srv.Pid, syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	unavailable := func(errs ...error) {
		for _, err := range errs {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		}
	}
	for i := range 4 * pipeline.BatchSize {
		wg.Go(func() {
			_, err := store.PutAndWait(ctx, s, join("r", "c"+strconv.Itoa(i)))
			unavailable(err, s.AddUser(ctx, store.UserEntry{}), s.Publish(ctx, "r", nil))
		})
	}
	for i := range 10 { // these are many commands each
		wg.Go(func() {
			_, e1 := s.Load(ctx, "r")
			_, e2 := s.ConnRefresh(ctx, "n", make([]store.Seen, 1000))
			_, e3 := s.Subscribe(ctx, strconv.Itoa(i), newEar())
			_, e4 := s.Positions(ctx, make([]string, 1000))
			unavailable(e1, e2, e3, e4)
		})
	}
	wg.Wait()
	if !s.pipe.Sending() {
		t.Error("the calls only ended with their connection")
	}
	must(t, syscall.Kill(srv.Pid, syscall.SIGCONT))
	for { // some of the joins may still be carried out before this
		must(t, s.Publish(t.Context(), "r", []byte("after")))
		if got := <-heard.heard; got == "cast after" {
			break
		}
	}
	room, err := s.Load(t.Context(), "r")
	must(t, err)
	if n := len(room.Members); n > 4*pipeline.BatchSize {
		t.Errorf("%d joins were carried out after their callers had left", n)
	}
}

func TestScriptsAreLoadedAgain(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	for range 2 {
		must(t, s.raw.Do(t.Context(), s.raw.B().ScriptFlush().Build()).Error())
		missing, err := s.ConnRefresh(t.Context(), "n", []store.Seen{{ConnID: "a"}, {ConnID: "b"}})
		if err != nil || len(missing) != 2 {
			t.Errorf("refresh: %v %v", missing, err)
		}
		_, err = store.PutAndWait(t.Context(), s, join("r", "c"))
		must(t, err)
		must(t, s.raw.Do(t.Context(), s.raw.B().ScriptFlush().Build()).Error())
		_, err = s.Enter(t.Context(), store.EnterRequest{Put: join("r", "d")})
		must(t, err)
	}
}

// A write that nobody waits for is told of a store that closes, and has no
// effect on a closed one.
func TestStartedPutsEndWithTheStore(t *testing.T) {
	srv := redistest.Start(t)
	s, err := Open(t.Context(), Options{URL: srv.URL()})
	must(t, err)
	must(t, srv.Pause())
	told := make(chan error, 1000)
	put := func(i int) {
		p := join("r", strconv.Itoa(i))
		s.StartPut(t.Context(), &p, waiter(func(_ store.PutResult, err error) { told <- err }))
	}
	for i := range cap(told) - 1 {
		put(i)
	}
	must(t, s.Close(t.Context()))
	put(cap(told))
	for range cap(told) {
		select {
		case err := <-told:
			if !errors.Is(err, store.ErrClosed) && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a put was told of nothing")
		}
	}
	must(t, srv.Resume())
}

func TestLostSubscriptionsComeBack(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	rooms := []string{"a", "b", "c"}
	ears := make([]*ear, len(rooms))
	for i, room := range rooms {
		ears[i] = listen(t, s, room)
	}
	for range 3 {
		must(t, s.raw.Do(t.Context(), s.raw.B().ClientKill().TypePubsub().Build()).Error())
		for i, room := range rooms {
			ears[i].next(t, "interrupt "+room)
			must(t, s.Publish(t.Context(), room, []byte("x")))
			ears[i].next(t, "cast x")
		}
	}
}

func TestRestartedRedis(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	heard := listen(t, s, "r")
	before, err := store.PutAndWait(t.Context(), s, join("r", "c"))
	must(t, err)
	heard.next(t, "event c")
	nodes := newEar()
	_, err = s.SubscribeNodes(t.Context(), nodes)
	must(t, err)
	srv.Restart(t)
	heard.next(t, "loss r")
	nodes.next(t, "loss ")
	p := join("r", "c")
	p.From = before.Position
	for {
		after, err := store.PutAndWait(t.Context(), s, p)
		if errors.Is(err, store.ErrUnavailable) {
			continue // the first call finds that the connection is gone
		}
		must(t, err)
		if after.Born == before.Born || after.Seq <= before.Seq {
			t.Errorf("%+v after %+v", after, before)
		}
		break
	}
	heard.next(t, "event c")
}

// nextVersion is what the store of the version after this one writes.
const nextVersion = "2\tnext\tversion"

// A node of the next version shares the Redis during a deploy.
func TestTwoVersionsSideBySide(t *testing.T) {
	srv := redistest.Start(t)
	old := open(t, Options{URL: srv.URL()})
	next, err := Open(t.Context(), Options{URL: srv.URL(), Ahead: nextVersion})
	must(t, err)
	t.Cleanup(func() { must(t, next.Close(context.Background())) })
	heard, heardNext := listen(t, old, "r"), listen(t, next, "r")

	p := join("r", "c")
	p.Member.Token = store.Digest{1}
	res, err := next.Enter(t.Context(), store.EnterRequest{Put: p})
	must(t, err)
	if _, err := store.PutAndWait(t.Context(), next, store.Put{
		Room: "r", Intent: store.IntentUpdate, Member: patched(res.Member), Fence: 1, From: res.Position,
	}); err != nil {
		t.Fatal(err)
	}
	room, err := old.Load(t.Context(), "r")
	must(t, err)
	if len(room.Members) != 1 || room.Members[0].Newer != nextVersion || room.Members[0].Write != 2 {
		t.Fatalf("%+v", room.Members)
	}
	m := room.Members[0]
	res, err = store.PutAndWait(t.Context(), old, store.Put{Room: "r", Intent: store.IntentResume, Fence: 1, KeepState: true, Member: store.Member{
		ConnID: "c", UserID: "u", Owner: "o", Epoch: 2, Write: 1, Token: m.Token,
	}})
	must(t, err)
	if res.Outcome != store.Applied || res.Member.Newer != nextVersion {
		t.Fatalf("%+v", res)
	}
	stored := do(t, srv, "HGET", "prs:1:{room:r}", "m:c")[0]
	if !strings.HasPrefix(stored, "2\t2\t3\to\tu\tc\tr\t") || !strings.Contains(stored, "\tnext\tversion\n{\"a\":1}\n") {
		t.Errorf("stored: %q", stored)
	}
	must(t, next.Publish(t.Context(), "r", []byte("x\ny")))
	must(t, old.Publish(t.Context(), "r", []byte("z")))
	_, err = old.Remove(t.Context(), store.Remove{Room: "r", ConnID: "c", Epoch: 2})
	must(t, err)
	for _, e := range []*ear{heard, heardNext} {
		for _, want := range []string{"event c", "event c", "event c", "cast x\ny", "cast z", "event c"} {
			e.next(t, want)
		}
	}
}

// patched is the next write of a member.
func patched(m store.Member) store.Member {
	m.Write++
	return m
}

// A record that is none of ours costs its member, and no other.
func TestUnreadableRecord(t *testing.T) {
	srv := redistest.Start(t)
	var log strings.Builder
	s := open(t, Options{URL: srv.URL(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	heard := listen(t, s, "r")
	_, err := store.PutAndWait(t.Context(), s, join("r", "c"))
	must(t, err)
	heard.next(t, "event c")
	do(t, srv, "PUBLISH", "prs:1:{room:r}:events", "what")
	must(t, s.Publish(t.Context(), "r", []byte("x")))
	heard.next(t, "cast x")
	if !strings.Contains(log.String(), "skipped") {
		t.Errorf("log: %s", log.String())
	}
	do(t, srv, "HSET", "prs:1:{room:r}", "m:c", "what")
	_, e1 := s.Load(t.Context(), "r")
	_, e2 := store.PutAndWait(t.Context(), s, join("r", "c"))
	_, e3 := s.Remove(t.Context(), store.Remove{Room: "r", ConnID: "c", Epoch: 1})
	for _, err := range []error{e1, e2, e3} {
		if err == nil || !strings.Contains(err.Error(), `room "r"`) {
			t.Errorf("error %v", err)
		}
	}
	_, err = store.PutAndWait(t.Context(), s, join("r", "other"))
	must(t, err)
	page, _, err := s.ScanMembers(t.Context(), "r", "", 10)
	must(t, err)
	if len(page) != 1 || page[0].ConnID != "other" {
		t.Errorf("a page of %+v", page)
	}
}

// A join that ends in its middle leaves no member without the entry of its node, and no
// entry of a user without the member.
func TestEnterThatEndsInItsMiddle(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	q := store.EnterRequest{Put: join("r", "c"), AddRoom: true}
	for _, c := range []struct {
		blocked string
		left    []string
	}{
		{s.keys.NodeRooms("n"), nil},
		{s.keys.Room("r"), nil},
		{s.keys.User("u"), []string{"{node:n}:rooms", "{room:r}"}},
		{s.keys.Conn("c"), []string{"user:u", "{node:n}:rooms", "{room:r}"}},
	} {
		do(t, srv, "SET", c.blocked, "none of ours")
		if _, err := s.Enter(t.Context(), q); err == nil {
			t.Errorf("%s cannot be written, and nothing is said", c.blocked)
		}
		do(t, srv, "DEL", c.blocked)
		if keys := s.Keys(); !slices.Equal(keys, c.left) {
			t.Errorf("%s cannot be written: left are %q, want %q", c.blocked, keys, c.left)
		}
		s.Wipe()
	}
}

// Servers from before keys had a version would not see the members of this one.
func TestFormerServersKeepItFromStarting(t *testing.T) {
	srv := redistest.Start(t)
	now, err := strconv.ParseInt(do(t, srv, "TIME")[0], 10, 64)
	must(t, err)
	sign := func(ms int64) { do(t, srv, "ZADD", "prs:nodes", record.Num(ms), "old-node") }
	sign(now*1000 - 100)
	_, err = Open(t.Context(), Options{URL: srv.URL()})
	if err == nil || !strings.Contains(err.Error(), "old-node") || !strings.Contains(err.Error(), "stop all of them") {
		t.Errorf("error %v", err)
	}
	other, err := Open(t.Context(), Options{URL: srv.URL(), Prefix: "other:"})
	must(t, err)
	must(t, other.Close(t.Context()))
	for _, ms := range []int64{now*1000 - 10_000, -now * 1000} { // silent for long, marked dead
		sign(ms)
		s, err := Open(t.Context(), Options{URL: srv.URL()})
		must(t, err)
		must(t, s.Close(t.Context()))
	}
}

func TestControlCharactersAreRefused(t *testing.T) {
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	p := join("r", "c")
	p.Member.UserID = "a\tb"
	_, e1 := store.PutAndWait(t.Context(), s, p)
	_, e2 := store.PutAndWait(t.Context(), s, join("r", "a\nb"))
	_, e3 := s.Remove(t.Context(), store.Remove{Room: "r", ConnID: "a\nb"})
	e4 := s.AddUser(t.Context(), store.UserEntry{ConnID: "a b"})
	_, e5 := s.Enter(t.Context(), store.EnterRequest{Put: p})
	_, e6 := s.Enter(t.Context(), store.EnterRequest{Put: join("r", "a b")})
	for _, err := range []error{e1, e2, e3, e5} {
		if !errors.Is(err, errControl) {
			t.Errorf("error %v", err)
		}
	}
	if !errors.Is(e4, errSpace) || !errors.Is(e6, errSpace) {
		t.Errorf("errors %v, %v", e4, e6)
	}
	if k := s.Keys(); len(k) != 0 {
		t.Errorf("left behind: %q", k)
	}
}

// A state that looks like a record opens no door.
func TestStateLikeARecord(t *testing.T) {
	s := open(t, Options{URL: redistest.Start(t).URL()})
	p := join("r", "c")
	p.Member.Epoch = 2
	p.Member.State = []byte("{}1\t1\t1\tn\tu\t")
	a, err := store.PutAndWait(t.Context(), s, p)
	must(t, err)
	late := store.Put{Room: "r", Intent: store.IntentUpdate, Member: a.Member, Fence: 1, From: a.Position}
	late.Member.Epoch, late.Member.Write = 1, 2
	res, err := store.PutAndWait(t.Context(), s, late)
	must(t, err)
	if res.Outcome != store.Fenced {
		t.Errorf("%+v", res)
	}
}

// A write is sent once, whatever becomes of it.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := open(t, Options{URL: srv.URL()})
	_, err := store.PutAndWait(t.Context(), s, join("r", "first"))
	must(t, err)
	must(t, s.raw.Do(t.Context(), s.raw.B().ConfigResetstat().Build()).Error())
	must(t, srv.Pause())
	ctx, cancel := context.WithTimeout(t.Context(), access.StallTime+3*time.Second) // until after the connection is cut
	defer cancel()
	if _, err := store.PutAndWait(ctx, s, join("r", "second")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	must(t, srv.Resume())
	for _, err = store.PutAndWait(t.Context(), s, join("r", "third")); errors.Is(err, store.ErrUnavailable); {
		_, err = store.PutAndWait(t.Context(), s, join("r", "third"))
	}
	must(t, err)
	info, err := s.raw.Do(t.Context(), s.raw.B().Info().Section("commandstats").Build()).ToString()
	must(t, err)
	calls, _, _ := strings.Cut(topology.InfoField(info, "cmdstat_evalsha"), ",")
	if calls != "calls=2" && calls != "calls=1" { // the second may not have come
		t.Errorf("scripts were sent: %s", calls)
	}
}
