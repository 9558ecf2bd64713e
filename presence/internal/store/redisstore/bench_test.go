//go:build unix

package redisstore

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/redis/rueidis"
)

// callers is how many goroutines call at once.
const callers = 64

type silent struct{}

func (silent) HandleEvent(store.Event)       {}
func (silent) HandleCast(_ string, _ []byte) {}
func (silent) HandleInterrupt(string, bool)  {}

// measure runs op b.N times from all callers and reports CPU time per
// operation, of this process and of Redis.
func measure(b *testing.B, s *backend, op func(ctx context.Context, caller, i int) error) {
	b.Helper()
	b.ReportAllocs()
	var wg sync.WaitGroup
	must(b, s.raw.Do(context.Background(), s.raw.B().ConfigResetstat().Build()).Error())
	redis, own := redisCPU(b, s.raw), ownCPU(b)
	b.ResetTimer()
	for c := range callers {
		wg.Go(func() {
			for i := c; i < b.N; i += callers {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				err := op(ctx, c, i)
				cancel()
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	perOp := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(b.N) }
	b.ReportMetric(perOp(redisCPU(b, s.raw)-redis), "redis-µs/op")
	b.ReportMetric(perOp(ownCPU(b)-own), "client-µs/op")
	b.ReportMetric(scriptTime(b, s.raw)/float64(b.N), "script-µs/op")
}

func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func redisCPU(b *testing.B, c rueidis.Client) (sum time.Duration) {
	info, err := c.Do(context.Background(), c.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.SplitSeq(info, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(seconds * float64(time.Second))
		}
	}
	return sum
}

// scriptTime is how many µs Redis says to have spent in scripts.
func scriptTime(b *testing.B, c rueidis.Client) float64 {
	info, err := c.Do(context.Background(), c.B().Info().Section("commandstats").Build()).ToString()
	must(b, err)
	_, rest, _ := strings.Cut(info, "cmdstat_evalsha:")
	_, rest, _ = strings.Cut(rest, "usec=")
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseFloat(digits, 64)
	must(b, err)
	return n
}

// bare is the least that a fenced write costs: its four commands, and nothing
// done with them.
const bare = `redis.call('TIME')
redis.call('HMGET', KEYS[1], 'seq', 'born', ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], 'seq', ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[3])
return ARGV[4]`

// BenchmarkBare is what to compare BenchmarkPatch with.
func BenchmarkBare(b *testing.B) {
	s, script := open(b, Options{URL: redistest.Start(b).URL()}), pipeline.Script{}.After(bare)
	value := strings.Repeat("x", 160)
	for c := range callers {
		_, err := s.Subscribe(context.Background(), "room "+strconv.Itoa(c), silent{})
		must(b, err)
	}
	measure(b, s, func(ctx context.Context, c, i int) error {
		n := strconv.Itoa(c)
		room := "room " + n
		_, err := s.pipe.Exec(ctx, &script, pipeline.Run{Keys: []string{s.keys.Room(room)}, Args: []string{
			"m:connection-" + n, "u:u", value, strconv.Itoa(i), s.keys.Channel(room)}})
		return err
	})
}

// BenchmarkPatch is one fenced write in a room of its own, heard by this node.
func BenchmarkPatch(b *testing.B) {
	s := open(b, Options{URL: redistest.Start(b).URL()})
	members, at := make([]store.Member, callers), make([]store.Position, callers)
	for c := range members {
		room := "room " + strconv.Itoa(c)
		if _, err := s.Subscribe(context.Background(), room, silent{}); err != nil {
			b.Fatal(err)
		}
		res, err := store.PutAndWait(context.Background(), s, join(room, "connection-"+strconv.Itoa(c)))
		if err != nil {
			b.Fatal(err)
		}
		members[c], at[c] = res.Member, res.Position
	}
	puts, told := make([]store.Put, callers), make([]chan result, callers)
	for c := range told {
		told[c] = make(chan result, 1)
	}
	measure(b, s, func(ctx context.Context, c, i int) error {
		m := members[c]
		m.Write++
		m.State = []byte(`{"cursor":{"x":` + strconv.Itoa(i) + `,"y":200},"name":"Someone"}`)
		puts[c] = store.Put{
			Room: "room " + strconv.Itoa(c), Intent: store.IntentUpdate, Member: m, Fence: m.Epoch,
			From: at[c], ExpiresMs: 1 << 50,
		}
		s.StartPut(ctx, &puts[c], resultOf(told[c]))
		r := <-told[c]
		members[c], at[c] = r.Member, r.Position
		return r.err
	})
}

// result is what a put came to.
type result struct {
	store.PutResult
	err error
}

// resultOf is a store.PutWaiter.
type resultOf chan result

// PutDone implements store.PutWaiter.
func (w resultOf) PutDone(res store.PutResult, err error) { w <- result{res, err} }

// enters measures joins of rooms of two over a number of nodes: the first of a node in a
// room adds it to the rooms of the node.
func enters(b *testing.B, how func(s *backend, ctx context.Context, q store.EnterRequest) (store.PutResult, error)) {
	for nodes, name := range []string{1: "one node", 2: "two nodes"} {
		if nodes == 0 {
			continue
		}
		b.Run(name, func(b *testing.B) {
			s := open(b, Options{URL: redistest.Start(b).URL()})
			at := make([]store.Position, callers)
			measure(b, s, func(ctx context.Context, c, i int) error {
				room := "room " + strconv.Itoa(c) + "." + strconv.Itoa(i/callers/2)
				q := store.EnterRequest{Put: join(room, "connection-"+strconv.Itoa(i)), SeenMs: 1 << 40, AddRoom: true}
				q.Member.UserID, q.ExpiresMs = "user-"+strconv.Itoa(i), 1<<50
				if second := i/callers%2 == 1; second {
					q.From = at[c]
					q.Member.Owner = "n" + strconv.Itoa(nodes)
					q.AddRoom = nodes == 2
				}
				res, err := how(s, ctx, q)
				at[c] = res.Position
				return err
			})
		})
	}
}

// BenchmarkJoin is what a join writes, step by step: room of the node, room, user,
// connection.
func BenchmarkJoin(b *testing.B) {
	enters(b, func(s *backend, ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
		return store.Steps(ctx, s, q)
	})
}

// BenchmarkEnter is BenchmarkJoin in one step.
func BenchmarkEnter(b *testing.B) {
	enters(b, func(s *backend, ctx context.Context, q store.EnterRequest) (store.PutResult, error) {
		return s.Enter(ctx, q)
	})
}

// BenchmarkJoinLeave is a join and the leave after it.
func BenchmarkJoinLeave(b *testing.B) {
	s := open(b, Options{URL: redistest.Start(b).URL()})
	measure(b, s, func(ctx context.Context, c, _ int) error {
		n := strconv.Itoa(c)
		p := join("room "+n, "connection-"+n)
		if _, err := store.Steps(ctx, s, store.EnterRequest{Put: p, SeenMs: 1 << 40}); err != nil {
			return err
		}
		if err := s.RemoveUser(ctx, p.UserEntry()); err != nil {
			return err
		}
		if _, err := s.Remove(ctx, store.Remove{Room: p.Room, ConnID: p.Member.ConnID, Epoch: 1}); err != nil {
			return err
		}
		return s.ConnLeave(ctx, p.Conn(0))
	})
}

// BenchmarkRefresh is one connection of a refresh of 1000.
func BenchmarkRefresh(b *testing.B) {
	s := open(b, Options{URL: redistest.Start(b).URL()})
	seen := make([]store.Seen, 1000)
	for i := range seen {
		seen[i] = store.Seen{ConnID: "connection-" + strconv.Itoa(i), SeenMs: 1<<40 + 1}
		err := s.ConnJoin(context.Background(), store.Conn{ConnID: seen[i].ConnID, UserID: "u", Room: "r", Node: "node", Epoch: 1, SeenMs: 1 << 40})
		if err != nil {
			b.Fatal(err)
		}
	}
	measure(b, s, func(ctx context.Context, _, i int) error {
		if i%len(seen) != 0 {
			return nil
		}
		_, err := s.ConnRefresh(ctx, "node", seen)
		return err
	})
}
