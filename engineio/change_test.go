package engineio

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/realtime-ai/realtime-message-go/internal/logtest"
	"github.com/realtime-ai/realtime-message-go/internal/rawio"
	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// testChange is a change as a client reads it.
type testChange struct {
	Series, Subject, Holder, State string
	Kind                           series.Kind
	Seq, Prev                      int64
}

func (c testChange) frame(pad int) *Frame {
	head := fmt.Sprintf(`{"Series":%q,"Subject":%q,"Holder":%q,"State":%q,"Kind":%d,"Pad":%q,"Seq":%d,"Prev":`,
		c.Series, c.Subject, c.Holder, c.State, c.Kind, strings.Repeat("p", pad), c.Seq)
	prev := fmt.Sprint(c.Prev)
	return NewChangeFrame(series.Change{
		Series: c.Series, Subject: c.Subject, Holder: c.Holder, Kind: c.Kind, Seq: c.Seq, Prev: c.Prev,
		PrevAt: len(head), PrevLen: len(prev),
	}, []byte(head), []byte(prev), []byte("}"))
}

// testView is what a client makes of the changes of some series.
type testView struct {
	at      map[string]int64
	members map[string]string // by series and subject
	gaps    map[string]bool
}

func newTestView() *testView {
	return &testView{map[string]int64{}, map[string]string{}, map[string]bool{}}
}

func (v *testView) take(t *testing.T, c testChange) {
	t.Helper()
	if c.Seq <= v.at[c.Series] {
		t.Fatalf("change %+v behind %d", c, v.at[c.Series])
	}
	v.gaps[c.Series] = v.gaps[c.Series] || c.Prev > v.at[c.Series]
	v.at[c.Series] = c.Seq
	key := c.Series + "/" + c.Subject
	if c.Kind == series.End {
		delete(v.members, key)
	} else {
		v.members[key] = c.Holder + "=" + c.State
	}
}

// receive takes the next message of a client.
func (v *testView) receive(t *testing.T, c *wsClient) {
	t.Helper()
	var change testChange
	_, data := c.recv()
	if err := json.Unmarshal(data[1:], &change); err != nil {
		t.Fatal(err)
	}
	v.take(t, change)
}

// drainSome decodes the first n frames that wait.
func drainSome(t *testing.T, q *frameQueue, n int) []testChange {
	n = min(n, len(q.frames)-q.next)
	first := frameQueue{frames: append([]*Frame(nil), q.frames[q.next:q.next+n]...)}
	q.next += n
	return drainQueue(t, &first, 1000)
}

// drainQueue decodes all that waits, taken in chunks that are now and then too small.
func drainQueue(t *testing.T, q *frameQueue, room int) (list []testChange) {
	t.Helper()
	var all []byte
	for p := q.chunk(make([]byte, 0, room)); p != nil; p = q.chunk(make([]byte, 0, room)) {
		all = append(all, p...)
	}
	for len(all) > 0 {
		n, head := int(all[1]), 2
		switch n {
		case 126:
			n, head = int(all[2])<<8|int(all[3]), 4
		case 127:
			t.Fatal("too long")
		}
		var c testChange
		if err := json.Unmarshal(all[head+1:head+n], &c); err != nil {
			t.Fatalf("%v: %s", err, all[head:head+n])
		}
		list = append(list, c)
		all = all[head+n:]
	}
	return list
}

// Whatever the order of changes, a folded backlog leads a client to where all of them do, without a gap
// that was not there; a shed one shows a gap in each series that lost something.
func TestFoldedBacklogsLeadToTheSame(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var q frameQueue
		all, folded, shed := newTestView(), newTestView(), newTestView()
		seq := map[string]int64{}
		sent := 0
		for range 1 + rnd.IntN(60) {
			name := string(rune('A' + rnd.IntN(2)))
			c := testChange{
				Series: name, Subject: string(rune('a' + rnd.IntN(4))), Holder: string(rune('x' + rnd.IntN(2))),
				State: fmt.Sprint(rnd.IntN(1000)), Kind: series.Begin, Prev: seq[name],
			}
			if holder, _, ok := strings.Cut(all.members[name+"/"+c.Subject], "="); ok {
				c.Kind, c.Holder = []series.Kind{series.State, series.Replace, series.End}[rnd.IntN(3)], holder
			}
			c.Seq = c.Prev + 1 + rnd.Int64N(120)
			seq[name] = c.Seq
			all.take(t, c)
			q.add(c.frame(rnd.IntN(300)))
			if rnd.IntN(20) == 0 {
				for _, c := range drainSome(t, &q, rnd.IntN(len(q.frames)+1)) {
					folded.take(t, c)
					sent++
				}
			}
			if seed%2 == 0 && rnd.IntN(8) == 0 { // then an end may stay that was the last of its series once
				q.fold()
			}
		}
		before := len(q.frames)
		q.fold()
		again := frameQueue{frames: append([]*Frame(nil), q.frames...)}
		left := drainQueue(t, &q, 200+rnd.IntN(1000))
		for i, c := range left {
			holder, _, known := strings.Cut(folded.members[c.Series+"/"+c.Subject], "=")
			behind := slices.ContainsFunc(left[i+1:], func(next testChange) bool { return next.Series == c.Series })
			if c.Kind == series.End && !known && behind && seed%2 == 1 || c.Kind == series.State && !known || known && c.Holder != holder && behind {
				t.Fatalf("seed %d: %+v of nobody known in %+v", seed, c, left)
			}
			folded.take(t, c)
		}
		if folded.gaps["A"] || folded.gaps["B"] {
			t.Fatalf("seed %d: a gap in what was folded: %+v", seed, left)
		}
		if fmt.Sprint(all.members) != fmt.Sprint(folded.members) || fmt.Sprint(all.at) != fmt.Sprint(folded.at) {
			t.Fatalf("seed %d: %d of %d changes lead to\n%v, want\n%v", seed, len(left), before, folded.members, all.members)
		}
		if sent > 0 {
			continue
		}
		again.shed()
		for _, c := range drainQueue(t, &again, 500) {
			shed.take(t, c)
		}
		for _, name := range []string{"A", "B"} {
			lost := 0
			for _, c := range left {
				if c.Series == name {
					lost++
				}
			}
			if (lost > 1) != shed.gaps[name] || shed.at[name] != all.at[name] {
				t.Fatalf("seed %d: %d changes of %s given up, gap shown: %v", seed, lost-1, name, shed.gaps[name])
			}
		}
	}
}

// foldable has a bound well above what leaves in one write.
var foldable = Config{MaxPayload: 1000, MaxQueueBytes: 500_000}

// Many updates of one subject to a client that does not read are one in the end.
func TestUpdatesOfOneSubjectAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, foldable)
		c := e.openWS()
		s := e.session().s
		const n = 1000
		for i := range int64(n) {
			f := testChange{Series: "A", Subject: string(rune('a' + i%2)), State: fmt.Sprint(i), Seq: i + 1, Prev: i}.frame(5000)
			if err := s.Send(f); err != nil {
				t.Fatalf("after %d: %v", i, err)
			}
			if s.Queued() > foldable.MaxQueueBytes {
				t.Fatalf("%d bytes wait", s.Queued())
			}
		}
		v := newTestView()
		got := 0
		for v.at["A"] < n {
			v.receive(t, c)
			got++
		}
		if v.gaps["A"] || v.members["A/a"] != "=998" || v.members["A/b"] != "=999" || got > n/4 {
			t.Errorf("after %d: %+v", got, v)
		}
	})
}

// meanwhile is a connection on which something happens while it is written to; then it fails.
type meanwhile struct {
	rawio.Conn
	do func()
}

func (m meanwhile) Write(func(fd uintptr) bool) error {
	m.do()
	return net.ErrClosed
}

// Updates that come while the queue is being written are folded too, with those that wait.
// Messages with several changes are not folded, neither with each other nor with changes beside them. Of
// a backlog that is still too large the newest of all is left, with what it said of the one before it.
func TestBatchesAreNotFolded(t *testing.T) {
	q := new(frameQueue)
	for _, c := range []testChange{
		{Series: "r", Kind: series.Batch, Seq: 2, Prev: 1},
		{Series: "r", Subject: "a", Kind: series.State, Seq: 3, Prev: 2},
		{Series: "r", Kind: series.Batch, Seq: 5, Prev: 3},
		{Series: "r", Subject: "a", Kind: series.State, Seq: 6, Prev: 5},
		{Series: "r", Kind: series.Batch, Seq: 9, Prev: 6},
	} {
		q.add(c.frame(0))
	}
	left := func() (list [][2]int64) {
		for _, f := range q.frames[q.next:] {
			var c testChange
			if err := json.Unmarshal(f.Payload(), &c); err != nil {
				t.Fatal(err)
			}
			list = append(list, [2]int64{c.Prev, c.Seq})
		}
		return list
	}
	q.fold()
	if got, want := left(), [][2]int64{{1, 2}, {2, 5}, {5, 6}, {6, 9}}; !slices.Equal(got, want) {
		t.Errorf("folded to %v, want %v", got, want)
	}
	q.shed()
	if got, want := left(), [][2]int64{{6, 9}}; !slices.Equal(got, want) {
		t.Errorf("shed to %v, want %v", got, want)
	}
}

func TestUpdatesDuringAFlushAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newPipeEnv(t, foldable)
		e.openWS()
		s := e.session().s
		synctest.Wait() // nobody writes any more
		i := int64(0)
		send := func(n int) {
			t.Helper()
			for end := i + int64(n); i < end; i++ {
				f := testChange{Series: "A", Subject: string(rune('a' + i%2)), State: fmt.Sprint(i), Seq: i + 1, Prev: i}.frame(5000)
				if err := s.Send(f); err != nil {
					t.Errorf("after %d: %v", i, err)
					return
				}
			}
		}
		s.mu.Lock()
		s.inline = true // as in a turn: nothing leaves
		s.mu.Unlock()
		send(97) // almost as much as may wait
		s.mu.Lock()
		s.letGo()
		s.mu.Unlock()
		c := wsCarrier{s: s, raw: meanwhile{do: func() { send(500) }}}
		c.flush()
		if i < 500 {
			t.Errorf("%d updates were sent", i)
		}
	})
}

// Changes of many subjects cannot be folded: they cost a client that heals its history, and any
// other its connection.
func TestBacklogThatCannotBeFolded(t *testing.T) {
	for _, heals := range []bool{true, false} {
		t.Run(fmt.Sprint("heals ", heals), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l logtest.Log
				cfg := foldable
				cfg.Logger = l.Logger(slog.LevelInfo)
				e := newPipeEnv(t, cfg)
				c := e.openWS()
				h := e.session()
				if heals {
					h.s.SetHeals()
				}
				const n = 300
				var err error
				for i := range int64(n) {
					if err = h.s.Send(testChange{Series: "A", Subject: fmt.Sprint(i), Seq: i + 1, Prev: i}.frame(5000)); err != nil {
						break
					}
				}
				if !heals {
					if err != ErrSlowConsumer {
						t.Errorf("Send: %v", err)
					}
					h.wantClosed(t, ReasonSlowConsumer)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				v := newTestView()
				for v.at["A"] < n {
					v.receive(t, c)
				}
				if !v.gaps["A"] {
					t.Error("no gap is shown")
				}
				synctest.Wait()
				if got := l.String(); !strings.Contains(got, "gave changes up") || !strings.Contains(got, "user=somebody") {
					t.Errorf("log: %s", got)
				}
			})
		})
	}
}
