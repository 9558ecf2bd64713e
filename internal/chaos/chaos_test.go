//go:build unix

package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	topology = flag.String("chaos.topology", "", "run the whole schedule on single, sentinel, cluster or all")
	seedFlag = flag.Uint64("chaos.seed", 1, "what clients do")
	only     = flag.String("chaos.faults", "", "names of faults, separated by semicolons, instead of all")
	clients  = flag.Int("chaos.clients", 300, "how many clients there are in the whole schedule")
	command  = flag.String("chaos.binary", "", "the realtime command to test; empty builds it")
	logs     = flag.String("chaos.logs", "", "folder for the nodes' logs; removed afterwards if empty")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// build makes the command to test.
func build(t *testing.T) string {
	t.Helper()
	if *command != "" {
		return *command
	}
	binary := filepath.Join(t.TempDir(), "realtime")
	cmd := exec.Command("go", "build", "-o", binary, "../../cmd/realtime")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	return binary
}

func logDir(t *testing.T) string {
	if *logs == "" {
		return t.TempDir()
	}
	if err := os.MkdirAll(*logs, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(*logs)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSchedule is the whole schedule, which make chaos runs.
func TestSchedule(t *testing.T) {
	if *topology == "" {
		t.Skip("make chaos runs this")
	}
	list := Topologies
	if *topology != "all" {
		if !slices.Contains(Topologies, *topology) {
			t.Fatalf("-chaos.topology=%s is none of all, %s", *topology, strings.Join(Topologies, ", "))
		}
		list = []string{*topology}
	}
	cfg := Config{
		Binary: build(t), Dir: logDir(t), Clients: *clients, Rooms: 40, Seed: *seedFlag,
		Graces: []time.Duration{0, 15 * time.Second, 45 * time.Second},
		Log:    t.Logf,
	}
	if *only != "" {
		cfg.Faults = strings.Split(*only, ";")
	}
	all := &Report{}
	for _, cfg.Topology = range list {
		report, err := Run(t.Context(), cfg)
		if report != nil {
			all.Rows = append(all.Rows, report.Rows...)
		}
		if err != nil {
			t.Error(err)
		}
	}
	show(t, cfg, all)
}

// TestShort is a few minutes' schedule in less than one: what make test runs.
func TestShort(t *testing.T) {
	if *topology != "" {
		t.Skip("the whole schedule runs")
	}
	cfg := Config{
		Binary: build(t), Dir: logDir(t), Topology: "single", Clients: 60, Rooms: 12, Seed: *seedFlag,
		Graces: []time.Duration{0, 6 * time.Second, 10 * time.Second},
		Faults: []string{"subscribers cut", "client links cut", "node killed"},
		Log:    t.Logf,
	}
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Error(err)
	}
	if report != nil {
		show(t, cfg, report)
	}
}

// show prints the table and fails the test if a promise was broken. On a
// machine that stood still for long, nothing can be said.
func show(t *testing.T, cfg Config, r *Report) {
	t.Helper()
	fmt.Printf("\nchaos with %d clients, seed %d\n\n", cfg.Clients, cfg.Seed)
	r.Write(os.Stdout)
	stall := r.Stall()
	switch n := r.Failed(); {
	case n > 0 && stall > leaseTime/2:
		t.Skipf("the machine stood still for %v: nothing can be said of %d broken promises", stall, n)
	case n > 0:
		t.Errorf("%d broken promises", n)
	}
}
