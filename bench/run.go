package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
)

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

const (
	ownColumn  = "realtime"
	echoColumn = "bare echo"
	nodeColumn = "Socket.IO on Node"
)

func (b *bench) columns() []column {
	all := func(row) bool { return true }
	return []column{
		{ownColumn, false, b.startRealtime, all},
		{echoColumn, true, startEcho, func(r row) bool { return r.echoToo }},
		{nodeColumn, true, b.startNode, all},
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
		l := line{row: r, costs: map[string][]cost{}}
		for range max(rounds, 1) {
			errs = append(errs, b.round(ctx, &l))
			if ctx.Err() != nil {
				return format(lines), ctx.Err()
			}
		}
		lines = append(lines, l)
	}
	return format(lines), errors.Join(errs...)
}

// round measures one row on each server, and first of all the machine.
func (b *bench) round(ctx context.Context, l *line) error {
	echo, err := b.once(ctx, column{name: echoColumn, base: true, start: startEcho}, yardstick)
	if err != nil {
		return fmt.Errorf("%s: %w", yardstick.name, err)
	}
	var errs []error
	for _, c := range b.columns() {
		if !c.takes(l.row) {
			continue
		}
		got, err := b.once(ctx, c, l.row)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errMissing):
			fmt.Fprintf(b.progress, "bench: %s left out: %v\n", c.name, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s on %s: %w", l.row.workload, c.name, err))
		default:
			l.costs[c.name] = append(l.costs[c.name], got)
			if c.name == ownColumn {
				l.scaled = append(l.scaled, got.times(budgetEcho/echo.server))
			}
		}
	}
	return errors.Join(errs...)
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
