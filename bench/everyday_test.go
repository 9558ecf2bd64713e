package main

import (
	"strings"
	"testing"
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/bench/benchtest"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// everydayConfig is the load of a row.
func everydayConfig(t *testing.T, r row) load.Config {
	t.Helper()
	cfg, err := load.Workload(r.workload)
	if err != nil {
		t.Fatal(err)
	}
	r.change(&cfg)
	return cfg
}

// All users together send the rate, and send nothing but patches.
func TestEverydayRates(t *testing.T) {
	for _, r := range everydayRows {
		c := everydayConfig(t, r)
		if users := c.Rooms * c.UsersPerRoom; users != 200 || c.UsersPerRoom != 2 || float64(users)*c.HeartbeatsPerSec != float64(r.rate) {
			t.Errorf("%s: %d users in rooms of %d send %v/s each", r.name, users, c.UsersPerRoom, c.HeartbeatsPerSec)
		}
		if c.PatchShare != 1 || c.ClosedLoop || c.Talkers != 0 {
			t.Errorf("%s: not all users patch at a fixed rate: %+v", r.name, c)
		}
	}
}

// A load finds times, and two deliveries for each patch.
func TestEverydayCost(t *testing.T) {
	for _, base := range []bool{false, true} {
		cfg := everydayConfig(t, everydayRows[0])
		cfg.Targets, cfg.BaseProtocol = []string{benchtest.Start(t, benchtest.None, 1, base).URL}, base
		cfg.Rooms, cfg.RampUp, cfg.Duration, cfg.AckTimeout = 5, 0, time.Second, 30*time.Second
		report, err := load.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Err(); err != nil {
			t.Fatalf("%v %q", err, report.Examples)
		}
		if c := everydayCost(report); c.p50 <= 0 || c.p99 < c.p50 {
			t.Errorf("got %+v", c)
		}
	}
	r := &load.Report{
		Latencies: []load.Latency{{Op: "patch", P50: 1, P99: 2}, {Op: "delivery", P50: 450, P99: 1500}},
		Phases: []load.Phase{{Operations: 1000, Deliveries: 2000, Processes: []load.Usage{
			{Role: "server", CPUSeconds: 0.1}, {Role: "redis", CPUSeconds: 0.02},
		}}},
	}
	if got, want := everydayCost(r), (cost{100, 20, 0.45, 1.5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A load that fell far behind its rate is an error, but not in rows without one.
func TestReached(t *testing.T) {
	report := &load.Report{Phases: []load.Phase{{Operations: 1900, Seconds: 5}}}
	for _, c := range []struct {
		row  row
		want bool
	}{{everydayRows[0], true}, {everydayRows[1], false}, {rows[0], true}} {
		if err := c.row.reached(report); (err == nil) != c.want {
			t.Errorf("%s at 380/s: %v", c.row.name, err)
		}
	}
}

// A ratio is to Node in the same round; a round without Node has none.
func TestFormatEveryday(t *testing.T) {
	got := formatEveryday([]everydayLine{{everydayRows[0], []map[string]cost{
		{memoryColumn: {100, 0, 0.2, 1}, redisColumn: {200, 50, 0.4, 2}, nodeColumn: {100, 0, 0.8, 2}, pingColumn: {p50: 0.125}},
		{memoryColumn: {300, 0, 0.6, 6}, redisColumn: {600, 70, 0.8, 8}, pingColumn: {p50: 0.225}},
		{memoryColumn: {500, 0, 1.0, 5}, nodeColumn: {250, 0, 2, 5}, pingColumn: {p50: 0.325}},
	}}})
	for _, want := range []string{
		"| 400 | realtime, in memory | 300 | – | 0.600 | 5.00 | 2.00 | 0.50 | 1.00 | – |",
		"| 400 | realtime, on Redis | 600 | 70.0 | 0.800 | 8.00 | 2.00 | 0.50 | 1.00 | 0.225 |",
		"| 400 | Socket.IO on Node | 250 | – | 2.00 | 5.00 | – | – | – | – |",
	} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

// A missing Node leaves the ratios out, and nothing else.
func TestFormatEverydayWithoutNode(t *testing.T) {
	got := formatEveryday([]everydayLine{{everydayRows[2], []map[string]cost{{memoryColumn: {100, 0, 0.2, 1}}}}})
	want := "| 3000 | realtime, in memory | 100 | – | 0.200 | 1.00 | – | – | – | – |"
	if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
		t.Errorf("no line %q in\n%s", want, got)
	}
}

// Each rate is compared in memory and on Redis, under a name that -only finds.
func TestEverydayTrials(t *testing.T) {
	names := map[string]bool{}
	for _, c := range trials() {
		if strings.Contains(c.row.name, "everyday") {
			names[c.row.name] = true
		}
	}
	if len(names) != 2*len(everydayRows) || !names["everyday, 400/s, in memory (µs)"] || !names["everyday, 3000/s, on Redis (µs)"] {
		t.Errorf("got %v", names)
	}
}

// A slower median is worse; a slower p99 is only shown. What a server in memory
// does not have is left out.
func TestEverydayCompared(t *testing.T) {
	slower := func(p50, p99, redis float64) []pair {
		base, own := cost{100, redis, 1, 4}, cost{100, redis, p50, 4 * p99}
		return []pair{{base, own}, {base, own}, {base, own}}
	}
	for name, c := range map[string]struct {
		pairs         []pair
		worse, absent string // what the error names, and what the table must not have
	}{
		"a slower median":  {slower(1.2, 1, 20), "delivery p50", ""},
		"a slower p99":     {slower(1, 1.2, 20), "", "| worse"},
		"nothing on Redis": {slower(1, 1, 0), "", "| Redis"},
	} {
		list := []compared{{everydayRows[0], c.pairs}}
		err := worse(list)
		if (err != nil) != (c.worse != "") || err != nil && !strings.Contains(err.Error(), c.worse) {
			t.Errorf("%s: %v", name, err)
		}
		table := formatCompared(list)
		if !strings.Contains(table, "delivery p99 (ms)") || c.absent != "" && strings.Contains(table, c.absent) {
			t.Errorf("%s:\n%s", name, table)
		}
	}
}

func TestPingMedian(t *testing.T) {
	ms, err := pingMedian(t.Context(), redistest.Start(t).Addr, 1000, 50)
	if err != nil || ms <= 0 {
		t.Errorf("got %v ms, %v", ms, err)
	}
}
