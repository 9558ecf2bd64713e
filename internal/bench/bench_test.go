package bench_test

import (
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/bench/benchtest"
)

// load is a workload without waits, on an artificial server.
func load(t *testing.T, s *benchtest.Server, name string, change func(*bench.Config)) *bench.Report {
	t.Helper()
	cfg, err := bench.Workload(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Targets = []string{s.URL}
	cfg.Rooms, cfg.UsersPerRoom, cfg.RampUp, cfg.Duration = 5, 10, 0, time.Minute
	cfg.Talkers = min(cfg.Talkers, 5)
	cfg.AckTimeout = 3 * time.Second
	change(&cfg)
	report, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// One event in 10 000 that is lost, comes twice or in the wrong order is found
// and fails the run, whether or not the server numbers its events.
func TestPlantedFaults(t *testing.T) {
	const every, requests = 10_000, 2_900 // 29 000 deliveries
	for name, fault := range map[string]benchtest.Fault{
		"none": benchtest.None, "drop": benchtest.Drop, "drop silently": benchtest.DropSilently,
		"duplicate": benchtest.Duplicate, "reorder": benchtest.Reorder,
	} {
		for kind, base := range map[string]bool{"": false, " base": true} {
			if base && fault == benchtest.DropSilently {
				continue // there is no prev
			}
			t.Run(name+kind, func(t *testing.T) {
				t.Parallel()
				s := benchtest.Start(t, fault, every, base)
				r := load(t, s, "patch", func(c *bench.Config) { c.Requests, c.BaseProtocol = requests, base })
				check(t, fault, r.Events, s.Planted())
				if err := r.Err(); (err == nil) != (fault == benchtest.None) {
					t.Errorf("error %v", err)
				}
				if len(r.Errors) > 0 {
					t.Errorf("errors %v: %q", r.Errors, r.Examples)
				}
				if r.Events.Expected < requests*10 {
					t.Errorf("%d events expected", r.Events.Expected)
				}
			})
		}
	}
}

func check(t *testing.T, fault benchtest.Fault, got bench.Events, planted int64) {
	t.Helper()
	want := bench.Events{Expected: got.Expected, Received: got.Expected}
	switch fault {
	case benchtest.Drop, benchtest.DropSilently:
		want.Missing, want.Received = planted, got.Expected-planted
	case benchtest.Duplicate:
		want.Duplicates = planted
	case benchtest.Reorder:
		want.Reordered = planted
	}
	want.Gaps = got.Gaps // a lost event may be the last
	if got != want || (planted == 0) != (fault == benchtest.None) {
		t.Errorf("got %+v, want %+v with %d faults", got, want, planted)
	}
	visible := fault == benchtest.Drop || fault == benchtest.Reorder
	if visible && got.Gaps == 0 || got.Gaps > planted || fault == benchtest.None && got.Gaps > 0 {
		t.Errorf("%d gaps with %d faults", got.Gaps, planted)
	}
}

// A patch of which nobody is told is missing to everybody.
func TestSwallowedPatches(t *testing.T) {
	for kind, base := range map[string]bool{"numbered": false, "base": true} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := benchtest.Start(t, benchtest.Swallow, 50, base)
			r := load(t, s, "patch", func(c *bench.Config) { c.Requests, c.BaseProtocol = 500, base })
			if want := s.Planted() * 10; want == 0 || r.Events.Missing != want || r.Err() == nil {
				t.Errorf("%d missing, want %d; error %v", r.Events.Missing, want, r.Err())
			}
		})
	}
}

// So is a join or a leave, to the users who stay.
func TestSwallowedChurn(t *testing.T) {
	t.Parallel()
	s := benchtest.Start(t, benchtest.Swallow, 7, false)
	r := load(t, s, "churn", func(c *bench.Config) {
		c.Duration, c.PatchShare = time.Second, 0 // the patch that nobody hears of is missing to each
	})
	if missing, planted := r.Events.Missing, s.Planted(); missing == 0 || missing > planted || r.Err() == nil {
		t.Errorf("%d missing of %d, error %v", missing, planted, r.Err())
	}
}

// Every workload runs through against a server without faults.
func TestWorkloads(t *testing.T) {
	for _, w := range bench.Workloads() {
		for kind, base := range map[string]bool{"": false, " base": true} {
			t.Run(w[0]+kind, func(t *testing.T) {
				t.Parallel()
				s := benchtest.Start(t, benchtest.None, 0, base)
				r := load(t, s, w[0], func(c *bench.Config) {
					c.BaseProtocol = base
					c.Requests, c.Duration = 300, 500*time.Millisecond
					c.AckTimeout = 30 * time.Second
				})
				want := ""
				if w[0] == "reconnect-herd" && !base {
					want = "not_resumed" // which the artificial server cannot
				}
				if err := r.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("error %v: %q", err, r.Examples)
				}
			})
		}
	}
}

func TestRunWithoutServer(t *testing.T) {
	cfg, err := bench.Workload("heartbeat")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Targets, cfg.Rooms = []string{"http://127.0.0.1:1"}, 1
	r, err := bench.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors["connect"] != 2 || r.Err() == nil {
		t.Errorf("errors %v, %v", r.Errors, r.Err())
	}
}
