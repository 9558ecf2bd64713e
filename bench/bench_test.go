package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
)

// The echo server answers what the rows ask of it.
func TestEcho(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(upgrade))
	defer web.Close()
	for _, r := range rows {
		if !r.echoToo {
			continue
		}
		cfg, err := load.Workload(r.workload)
		if err != nil {
			t.Fatal(err)
		}
		r.change(&cfg)
		cfg.Targets, cfg.BaseProtocol, cfg.Rooms, cfg.Requests = []string{web.URL}, true, 5, 200
		cfg.Duration, cfg.AckTimeout = min(cfg.Duration, time.Second), 30*time.Second
		report, err := load.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Err(); err != nil {
			t.Errorf("%s: %v %q", r.name, err, report.Examples)
		}
	}
}

func TestRowsAreWorkloads(t *testing.T) {
	for _, r := range slices.Concat(rows, everydayRows) {
		if _, err := load.Workload(r.workload); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}

func TestCosts(t *testing.T) {
	usage := func(role string, cpu float64, before, after int64) load.Usage {
		return load.Usage{Role: role, CPUSeconds: cpu, ResidentBefore: before, ResidentAfter: after}
	}
	r := &load.Report{Rooms: 2, UsersPerRoom: 5, Phases: []load.Phase{
		{Operations: 1, Processes: []load.Usage{usage("server", 9, 10<<10, 20<<10), usage("redis", 9, 0, 0)}},
		{Operations: 100, Deliveries: 1000, Processes: []load.Usage{usage("server", 0.002, 20<<10, 40<<10), usage("redis", 0.001, 0, 1<<20), usage("client", 9, 0, 0)}},
	}}
	for name, c := range map[string]struct{ got, want cost }{
		"operation": {perOperation(r), cost{server: 20, redis: 10}},
		"delivery":  {perDelivery(r), cost{server: 2, redis: 1}},
		"memory":    {memory(r), cost{server: 3}},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	of := func(server, redis float64) []cost { return []cost{{server: server, redis: redis}} }
	got := format([]line{
		{rows[0], map[string][]cost{ownColumn: of(12, 0.05), echoColumn: of(8, 0), nodeColumn: of(30, 0)}, of(7.5, 0.04)},
		{rows[3], map[string][]cost{ownColumn: of(1, 0.5)}, of(0.5, 0.25)},
		{rows[5], map[string][]cost{ownColumn: of(7.25, 0)}, of(3.5, 0)},
	})
	for _, want := range []string{"| 9.00 / 0.10 | 7.50 / 0.04 ", "| 12.0 / 0.05 | 8.00 ", "| 1.5 ", "| 2.5 ", "| 2.00 ", "| 0.50 ", "| – ", "| 7.25 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "3.50") {
		t.Errorf("memory was scaled in\n%s", got)
	}
}

func TestMiddle(t *testing.T) {
	if got := middle([]cost{{server: 5, redis: 1}, {server: 1, redis: 3}, {server: 3, redis: 2}}); got != (cost{server: 3, redis: 2}) {
		t.Errorf("got %v", got)
	}
	if got := middle(nil); got != (cost{}) {
		t.Errorf("got %v", got)
	}
}
