//go:build unix

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/realtime-ai/realtime-message-go/internal/client"
	"github.com/realtime-ai/realtime-message-go/internal/parallel"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// ReapConfig says how large a node dies.
type ReapConfig struct {
	// Binary and Dir are as in Config.
	Binary, Dir string
	// Connections is how many the node has, each in RoomsEach rooms, and
	// RoomSize how many of them share a room.
	Connections, RoomsEach, RoomSize int
	// Grace is what its members ask for; 0 is none.
	Grace time.Duration
	// Log is told what happens.
	Log func(format string, args ...any)
}

// ReapReport is what the death of a large node came to.
type ReapReport struct {
	// Members is how many the node had, Left how many were seen leaving, each
	// by one client of another node; Twice is how many of those again.
	Members, Left, Twice int
	// Gone is when the last of them was seen leaving, from the kill on; with a
	// grace, from its end on. First is when the first was.
	First, Gone time.Duration
	// Before and During are latencies of patches of other clients, before the
	// kill and from the kill to Gone.
	Before, During []time.Duration
	// Slow are the Redis commands of 1 ms and more from the kill on, the longest first.
	Slow []string
	// Stats are Redis' command statistics of that time.
	Stats []string
	// Keys are what is left of the node's members in Redis.
	Keys []string
	// Load is the load average in the end.
	Load string
}

// reaping is a run under way.
type reaping struct {
	cfg    ReapConfig
	redis  *redistest.Server
	nodes  []*node
	conns  []*wire.Conn
	going  sync.WaitGroup
	rooms  int
	closed atomic.Bool

	mu    sync.Mutex
	seen  map[string]bool // room and connId of those that left
	twice int
	first time.Time
	last  time.Time
	wrong []string
}

// Reap fills a node with members, kills it, and watches how another one sees to
// them.
func Reap(ctx context.Context, cfg ReapConfig) (*ReapReport, error) {
	r := &reaping{cfg: cfg, seen: make(map[string]bool), rooms: cfg.Connections * cfg.RoomsEach / cfg.RoomSize}
	defer r.close()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	patches, err := r.patch(ctx)
	if err != nil {
		return nil, err
	}
	defer patches.stop()
	wait(ctx, leaseTime+8*time.Second) // until the others may judge
	report := &ReapReport{Members: cfg.Connections * cfg.RoomsEach}
	before := time.Now().Add(-5 * time.Second)
	for _, cmd := range [][]string{{"CONFIG", "RESETSTAT"}, {"SLOWLOG", "RESET"}} {
		if _, err := r.redis.Do(cmd...); err != nil {
			return nil, err
		}
	}
	killed := time.Now()
	r.nodes[0].kill()
	r.await(ctx, report.Members)
	report.Before, report.During = patches.between(before, killed), patches.between(killed, time.Now())
	wait(ctx, 2*time.Second) // for what comes too much
	r.mu.Lock()
	report.Left, report.Twice = len(r.seen), r.twice
	report.First, report.Gone = r.first.Sub(killed)-cfg.Grace, r.last.Sub(killed)-cfg.Grace
	wrong := r.wrong
	r.mu.Unlock()
	report.Load = loadAverage()
	err = r.ask(report)
	if len(wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("%d wrong events, such as %s", len(wrong), wrong[0]))
	}
	return report, err
}

// atOnce is how many clients are started at a time.
const atOnce = 16

// start brings everything up: the node to be killed is full in the end, and
// in each room there is one more member, on another node.
func (r *reaping) start(ctx context.Context) (err error) {
	r.redis, err = redistest.Launch("--slowlog-log-slower-than", "1000", "--slowlog-max-len", "10000")
	if err != nil {
		return err
	}
	for i := range nodes {
		n, err := startNode(r.cfg.Binary, r.cfg.Dir, fmt.Sprintf("reap-node%d", i+1), "REDIS_URL="+r.redis.URL())
		if err != nil {
			return err
		}
		r.nodes = append(r.nodes, n)
	}
	start := time.Now()
	perWatcher := r.cfg.RoomsEach
	watchers := (r.rooms + perWatcher - 1) / perWatcher
	err = parallel.Each(ctx, watchers, atOnce, func(i int) error {
		first := i * perWatcher
		return r.member(ctx, r.nodes[1], "watcher", i, first, min(perWatcher, r.rooms-first), 0, r.watch)
	})
	if err != nil {
		return err
	}
	err = parallel.Each(ctx, r.cfg.Connections, atOnce, func(i int) error {
		return r.member(ctx, r.nodes[0], "user", i, i*r.cfg.RoomsEach, r.cfg.RoomsEach, r.cfg.Grace, func([]byte) {})
	})
	r.cfg.Log("%d members in %d rooms after %v", r.cfg.Connections*r.cfg.RoomsEach, r.rooms, time.Since(start).Round(time.Millisecond))
	return err
}

// member connects and joins count rooms from first on; then it hears events
// until the end.
func (r *reaping) member(ctx context.Context, n *node, user string, i, first, count int, grace time.Duration, hear func(body []byte)) error {
	c, err := r.dial(ctx, n)
	if err != nil {
		return err
	}
	for j := range count {
		payload := fmt.Appendf(nil, `{"roomId":"room-%d","userId":"%s-%d","graceMs":%d,"state":{"n":0}}`,
			(first+j)%r.rooms, user, i, grace.Milliseconds())
		if err := c.Write(wire.AppendEvent(nil, uint64(j), "presence:join", payload)); err != nil {
			return err
		}
	}
	for acks := 0; acks < count; {
		p, err := c.Next()
		if err != nil {
			return err
		}
		if p.Kind == wire.Ack {
			if acks++; !bytes.Contains(p.Body, []byte(`"ok":true`)) {
				return fmt.Errorf("join refused: %.200s", p.Body)
			}
		}
	}
	r.going.Go(func() {
		for {
			p, err := c.Next()
			if err != nil {
				return
			}
			if p.Kind == wire.Event {
				hear(p.Body)
			}
		}
	})
	return nil
}

func (r *reaping) dial(ctx context.Context, n *node) (*wire.Conn, error) {
	c, err := wire.Dial(ctx, "http://"+n.addr)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
	return c, nil
}

var leaveType = []byte(`"type":"leave"`)

// watch counts who leaves.
func (r *reaping) watch(body []byte) {
	if !bytes.Contains(body, leaveType) || r.closed.Load() {
		return
	}
	e, err := parseEvent(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || e.Reason != "node_lost" {
		r.wrong = append(r.wrong, fmt.Sprintf("%v (%v)", e, err))
		return
	}
	r.last = time.Now()
	if len(r.seen) == 0 {
		r.first = r.last
	}
	key := e.ConnID + " " + e.RoomID
	if r.seen[key] {
		r.twice++
	}
	r.seen[key] = true
}

// await waits until all have left, or nobody has for long.
func (r *reaping) await(ctx context.Context, members int) {
	const longest = 30 * time.Second
	last := time.Now().Add(r.cfg.Grace)
	for ctx.Err() == nil {
		r.mu.Lock()
		n := len(r.seen)
		if r.last.After(last) {
			last = r.last
		}
		r.mu.Unlock()
		if n >= members || time.Since(last) > longest {
			return
		}
		wait(ctx, 20*time.Millisecond)
	}
}

// ask reads from Redis what it cost and what is left.
func (r *reaping) ask(report *ReapReport) error {
	slow, err := r.redis.Do("SLOWLOG", "GET", "-1")
	if err != nil {
		return err
	}
	report.Slow = slowCommands(slow)
	stats, err := r.redis.Do("INFO", "commandstats")
	if err != nil {
		return err
	}
	for line := range strings.Lines(strings.Join(stats, "")) {
		if name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":"); ok {
			report.Stats = append(report.Stats, name+" "+strings.TrimSpace(rest))
		}
	}
	report.Keys, err = r.left()
	return err
}

// left lists keys of the dead node and its users.
func (r *reaping) left() ([]string, error) {
	left, err := r.redis.Do("KEYS", "prs:1:user:user-*")
	if err != nil {
		return nil, err
	}
	alive, err := r.redis.Do("ZRANGEBYSCORE", "prs:1:nodes", "(0", "+inf")
	if err != nil {
		return nil, err
	}
	keys, err := r.redis.Do("KEYS", "prs:1:{node:*")
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !slices.ContainsFunc(alive, func(id string) bool { return strings.Contains(k, "{node:"+id+"}") }) {
			left = append(left, k)
		}
	}
	return left, nil
}

// slowCommands makes one line of each entry of the slow log: how long, and
// how it begins. An entry is id, time, microseconds, arguments, address, name;
// they come flat.
func slowCommands(flat []string) []string {
	type command struct {
		took int
		text string
	}
	var list []command
	for i := 0; i+3 < len(flat); i++ {
		id, err1 := strconv.Atoi(flat[i])
		at, err2 := strconv.Atoi(flat[i+1])
		took, err3 := strconv.Atoi(flat[i+2])
		if err1 == nil && err2 == nil && err3 == nil && id >= 0 && at > 1_000_000_000 && at < 10_000_000_000 { // not ms
			list = append(list, command{took, strings.Join(flat[i+3:min(i+6, len(flat))], " ")})
			i += 3
		}
	}
	slices.SortFunc(list, func(a, b command) int { return b.took - a.took })
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = fmt.Sprintf("%d µs %.100s", c.took, c.text)
	}
	return out
}

// patches are clients of the other nodes that change their states all the time.
type patches struct {
	mu   sync.Mutex
	done []beat
	end  chan struct{}
	wait sync.WaitGroup
}

// patch starts them: two in each of ten rooms, on two nodes.
func (r *reaping) patch(ctx context.Context) (*patches, error) {
	p := &patches{end: make(chan struct{})}
	for i := range 20 {
		c, err := r.dial(ctx, r.nodes[1+i%2])
		if err != nil {
			return p, err
		}
		join := fmt.Appendf(nil, `{"roomId":"other-%d","userId":"other-%d"}`, i/2, i)
		if err := c.Write(wire.AppendEvent(nil, 0, "presence:join", join)); err != nil {
			return p, err
		}
		p.wait.Go(func() { p.loop(c) })
	}
	return p, nil
}

// loop patches again and again, with a rest in between.
func (p *patches) loop(c *wire.Conn) {
	const rest = 20 * time.Millisecond
	var sent time.Time
	for n := uint64(1); ; n++ {
		a, err := c.Await(wire.Ack)
		if err != nil {
			return
		}
		if !sent.IsZero() && bytes.Contains(a.Body, []byte(`"changed":true`)) {
			p.mu.Lock()
			p.done = append(p.done, beat{sent, time.Since(sent)})
			p.mu.Unlock()
		}
		select {
		case <-p.end:
			return
		case <-time.After(rest):
		}
		sent = time.Now()
		if c.Write(wire.AppendEvent(nil, n, heartbeatName, fmt.Appendf(nil, `{"patchState":{"n":%d}}`, n))) != nil {
			return
		}
	}
}

func (p *patches) between(from, to time.Time) []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []time.Duration
	for _, b := range p.done {
		if !b.sent.Before(from) && b.sent.Before(to) {
			list = append(list, b.took)
		}
	}
	return list
}

func (p *patches) stop() {
	close(p.end)
	p.wait.Wait()
}

func (r *reaping) close() {
	r.closed.Store(true)
	r.mu.Lock()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.going.Wait()
	for _, n := range r.nodes {
		n.kill()
	}
	if r.redis != nil {
		r.redis.Close()
	}
}
