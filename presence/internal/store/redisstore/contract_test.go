package redisstore

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
	"github.com/redis/rueidis"
)

// backend is a store with a look at what lies in its Redis.
type backend struct {
	*Store
	t   testing.TB
	raw rueidis.Client
}

// open opens a store with a prefix of its own choosing on an emptied server.
func open(t testing.TB, o Options) *backend {
	t.Helper()
	return openAs(t, o, o.URL)
}

// openAs is open where another user looks at what lies in Redis.
func openAs(t testing.TB, o Options, rawURL string) *backend {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	o.TTL = storetest.TTL
	s, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	opt, err := rueidis.ParseURL(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	opt.DisableCache, opt.ClientName = true, ""
	raw, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{Store: s, t: t, raw: raw}
	b.Wipe()
	t.Cleanup(func() {
		raw.Close()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *backend) each(f func(rueidis.Client)) {
	for _, n := range b.raw.Nodes() {
		f(n)
	}
}

func (b *backend) Keys() []string {
	var out []string
	b.each(func(n rueidis.Client) {
		list, err := n.Do(context.Background(), n.B().Keys().Pattern("*").Build()).AsStrSlice()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, k := range list {
			name, ok := strings.CutPrefix(k, b.keys.Prefix)
			if !ok {
				b.t.Errorf("key %q is without the prefix", k)
			}
			name, err := url.PathUnescape(strings.TrimPrefix(name, record.KeyVersion))
			must(b.t, err)
			out = append(out, name)
		}
	})
	slices.Sort(out)
	return out
}

func (b *backend) ConnRecord(connID string) (map[string]string, time.Duration) {
	ctx, key := context.Background(), b.keys.Conn(connID)
	f, err := b.raw.Do(ctx, b.raw.B().Hgetall().Key(key).Build()).AsStrMap()
	if err != nil {
		b.t.Fatal(err)
	}
	if len(f) == 0 {
		return nil, 0
	}
	ms, err := b.raw.Do(ctx, b.raw.B().Pttl().Key(key).Build()).AsInt64()
	if err != nil {
		b.t.Fatal(err)
	}
	return f, time.Duration(ms) * time.Millisecond
}

func (b *backend) Wipe() {
	b.each(func(n rueidis.Client) {
		if err := n.Do(context.Background(), n.B().Flushall().Build()).Error(); err != nil {
			b.t.Fatal(err)
		}
	})
}

func (b *backend) Age(d time.Duration) {
	ctx, ms := context.Background(), d.Milliseconds()
	nodes, err := b.raw.Do(ctx, b.raw.B().Zrange().Key(b.keys.Nodes()).Min("0").Max("-1").Withscores().Build()).AsZScores()
	must(b.t, err)
	for _, n := range nodes {
		score := n.Score - float64(ms)
		if n.Score < 0 {
			score = n.Score + float64(ms)
		}
		must(b.t, b.raw.Do(ctx, b.raw.B().Zadd().Key(b.keys.Nodes()).ScoreMember().ScoreMember(score, n.Member).Build()).Error())
	}
	for _, name := range b.Keys() {
		key := ""
		if id, ok := strings.CutSuffix(name, "}:claim"); ok {
			key = b.keys.Claim(strings.TrimPrefix(id, "{node:"))
		} else if id, ok := strings.CutPrefix(name, "user:"); ok {
			key = b.keys.User(id)
		} else {
			continue
		}
		left, err := b.raw.Do(ctx, b.raw.B().Pttl().Key(key).Build()).AsInt64()
		must(b.t, err)
		if left <= 0 {
			b.t.Errorf("%s does not end", name)
		}
		must(b.t, b.raw.Do(ctx, b.raw.B().Pexpire().Key(key).Milliseconds(left-ms).Build()).Error())
	}
}

// waiter is a store.PutWaiter.
type waiter func(store.PutResult, error)

func (f waiter) PutDone(res store.PutResult, err error) { f(res, err) }

func TestContract(t *testing.T) {
	for name, o := range map[string]Options{
		"RESP3":        {},
		"own prefix":   {Prefix: "my app:"},
		"RESP2 pubsub": {URL: "&protocol=2"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := redistest.Start(t)
			spyOn(t, srv)
			o.URL = srv.URL() + "?client_name=" + storeName + o.URL
			storetest.Run(t, func(t *testing.T) storetest.Backend { return open(t, o) })
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
