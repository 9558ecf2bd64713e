//go:build unix

package chaos

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/quantile"
)

var (
	reap      = flag.Int("chaos.reap", 0, "kill a node with this many members")
	reapGrace = flag.Duration("chaos.reapgrace", 0, "the grace of its members")
)

// TestReap kills a node with very many members, which make reap does.
func TestReap(t *testing.T) {
	if *reap == 0 {
		t.Skip("make reap runs this")
	}
	const each = 100
	r, err := Reap(t.Context(), ReapConfig{
		Binary: build(t), Dir: logDir(t), Connections: *reap / each, RoomsEach: each, RoomSize: 20,
		Grace: *reapGrace, Log: t.Logf,
	})
	if err != nil {
		t.Error(err)
	}
	if r == nil {
		return
	}
	ms := func(list []time.Duration, q float64) string { return short(quantile.Of(list, q)) }
	fmt.Printf(`
members                     %d, grace %v; load average %s
seen leaving                %d, twice %d
first, last leave after     %v, %v
patches of others before    p50 %s, p99 %s, max %s (%d)
                  during    p50 %s, p99 %s, max %s (%d)
slowest Redis commands      %q (%d of 1 ms and more)
left in Redis               %d keys
`, r.Members, *reapGrace, r.Load, r.Left, r.Twice, short(r.First), short(r.Gone),
		ms(r.Before, 0.5), ms(r.Before, 0.99), ms(r.Before, 1), len(r.Before),
		ms(r.During, 0.5), ms(r.During, 0.99), ms(r.During, 1), len(r.During),
		r.Slow[:min(5, len(r.Slow))], len(r.Slow), len(r.Keys))
	for _, line := range r.Stats {
		fmt.Println(line)
	}
	if r.Left != r.Members || r.Twice > 0 {
		t.Errorf("%d of %d were seen leaving, %d twice", r.Left, r.Members, r.Twice)
	}
	if len(r.Keys) > 0 {
		t.Errorf("left in Redis: %q", r.Keys[:min(10, len(r.Keys))])
	}
}

func TestSlowCommands(t *testing.T) {
	got := slowCommands([]string{
		"7", "1795443310", "1500", "EVALSHA", "ab", "1", "127.0.0.1:1", "",
		"6", "1795443309", "20500", "HGETALL", "k", "127.0.0.1:1", "",
	})
	want := []string{"20500 µs HGETALL k 127.0.0.1:1", "1500 µs EVALSHA ab 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
