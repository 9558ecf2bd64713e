package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
)

// row is one line of the table: a load, and which of its costs counts.
type row struct {
	name     string
	budget   cost
	workload string
	change   func(*load.Config)
	cost     func(r *load.Report) cost
	echoToo  bool // a server that only echoes can do it
}

// cost is what the server's process and Redis paid, in the row's unit.
type cost struct {
	server, redis float64
}

var rows = []row{
	{
		name: "acked heartbeat, no patch (µs)", budget: cost{9, 0.1}, workload: "heartbeat", echoToo: true,
		change: seconds(4), cost: perOperation,
	},
	{
		name: "patch, 2-member room, 2 deliveries (µs)", budget: cost{25, 9}, workload: "patch",
		change: seconds(4), cost: perOperation,
	},
	{
		name: "connect + join, 2-member room (µs)", budget: cost{130, 25}, workload: "connect-join", echoToo: true,
		change: func(*load.Config) {}, cost: perOperation,
	},
	{
		name: "one delivery of a broadcast, room of 100 (µs)", budget: cost{server: 2}, workload: "broadcast",
		change: seconds(4), cost: perDelivery,
	},
	{
		name: "1000 joins into one room (µs per join)", budget: cost{1100, 40}, workload: "join-storm",
		change: func(*load.Config) {}, cost: perOperation,
	},
	{
		name: "resident memory per joined connection (KB)", budget: cost{server: 8}, workload: "idle", echoToo: true,
		change: func(c *load.Config) { c.Rooms, c.Duration = 800, 2*time.Second }, cost: memory,
	},
}

func seconds(n int) func(*load.Config) {
	return func(c *load.Config) { c.Duration = time.Duration(n) * time.Second }
}

// perOperation divides the CPU time of the last phase.
func perOperation(r *load.Report) cost {
	p := r.Phases[len(r.Phases)-1]
	return split(p, p.Operations)
}

func perDelivery(r *load.Report) cost {
	p := r.Phases[len(r.Phases)-1]
	return split(p, p.Deliveries)
}

func split(p load.Phase, n int64) (c cost) {
	for _, u := range p.Processes {
		switch u.Role {
		case "server":
			c.server += u.CPUMicros(n)
		case "redis":
			c.redis += u.CPUMicros(n)
		}
	}
	return c
}

// memory is what the server grew by from its start to the end of the load.
func memory(r *load.Report) (c cost) {
	before, after := r.Phases[0].Processes, r.Phases[len(r.Phases)-1].Processes
	for i, u := range before {
		if u.Role == "server" {
			c.server += float64(after[i].ResidentAfter-u.ResidentBefore) / 1024 / float64(r.Rooms*r.UsersPerRoom)
		}
	}
	return c
}

// bench runs the servers and the loads.
type bench struct {
	binary, node string
	progress     io.Writer
}

// column is one of the servers.
type column struct {
	name  string
	base  bool
	start func() (*server, error)
	takes func(row) bool
}

func (b *bench) columns() []column {
	all := func(row) bool { return true }
	return []column{
		{"realtime", false, b.startRealtime, all},
		{"bare echo", true, startEcho, func(r row) bool { return r.echoToo }},
		{"Socket.IO on Node", true, b.startNode, all},
	}
}

// measure runs the rows and returns the table of those that it came to.
func (b *bench) measure(ctx context.Context, rounds int, wanted func(name string) bool) (string, error) {
	var lines []line
	var errs []error
	for _, r := range rows {
		if !wanted(r.name) {
			continue
		}
		l := line{row: r, costs: map[string]cost{}}
		for _, c := range b.columns() {
			if !c.takes(r) {
				continue
			}
			got, err := b.repeat(ctx, c, r, rounds)
			if ctx.Err() != nil {
				return format(lines), ctx.Err()
			}
			if errors.Is(err, errMissing) {
				fmt.Fprintf(b.progress, "bench: %s left out: %v\n", c.name, err)
				continue
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s on %s: %w", r.workload, c.name, err))
				continue
			}
			l.costs[c.name] = got
		}
		lines = append(lines, l)
	}
	return format(lines), errors.Join(errs...)
}

// repeat returns the median of some rounds.
func (b *bench) repeat(ctx context.Context, c column, r row, rounds int) (cost, error) {
	var server, redis []float64
	for range max(rounds, 1) {
		got, err := b.once(ctx, c, r)
		if err != nil {
			return cost{}, err
		}
		server, redis = append(server, got.server), append(redis, got.redis)
	}
	return cost{median(server), median(redis)}, nil
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func (b *bench) once(ctx context.Context, c column, r row) (cost, error) {
	cfg, err := load.Workload(r.workload)
	if err != nil {
		return cost{}, err
	}
	r.change(&cfg)
	s, err := c.start()
	if err != nil {
		return cost{}, err
	}
	defer s.close()
	cfg.Targets, cfg.ServerPIDs, cfg.RedisPIDs, cfg.BaseProtocol = []string{s.url}, []int{s.pid()}, s.redisPIDs(), c.base
	cfg.AckTimeout = 20 * time.Second // what is measured is not how late answers come
	report, err := load.Run(ctx, cfg)
	if err != nil {
		return cost{}, err
	}
	if err := report.Err(); err != nil {
		return cost{}, err
	}
	got := r.cost(report)
	fmt.Fprintf(b.progress, "bench: %s on %s: server %.2f, Redis %.2f\n", r.name, c.name, got.server, got.redis)
	return got, nil
}

// line is a row with what was measured.
type line struct {
	row   row
	costs map[string]cost
}

// format writes the table: server / Redis, and how many times as much the
// others' servers cost.
func format(lines []line) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s/%s, %d cores, %s; server / Redis\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	w := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| operation\t| budget\t| realtime\t| bare echo\t| Socket.IO on Node\t| realtime / echo\t| Node / realtime\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, l := range lines {
		own, echo, node := l.costs["realtime"], l.costs["bare echo"], l.costs["Socket.IO on Node"]
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", l.row.name, l.row.budget.text(l.row.budget.redis > 0), own.text(l.row.budget.redis > 0),
			echo.text(false), node.text(false), ratio(own.server, echo.server), ratio(node.server, own.server))
	}
	_ = w.Flush() // into a strings.Builder: cannot fail
	return out.String()
}

func (c cost) text(withRedis bool) string {
	switch {
	case c.server == 0:
		return "–"
	case withRedis:
		return micros(c.server) + " / " + micros(c.redis)
	}
	return micros(c.server)
}

// micros has three digits or more.
func micros(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", a/b)
}
