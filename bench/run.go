package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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

// usualRounds is how often the rows at saturation are measured.
const usualRounds = 1

// measure runs the rows and returns the tables of those that it came to. With
// rounds of 0 each kind of row is measured as often as it needs.
func (b *bench) measure(ctx context.Context, rounds int, wanted func(name string) bool) (string, error) {
	lines, err := b.saturate(ctx, cmp.Or(rounds, usualRounds), wanted)
	var tables []string
	if len(lines) > 0 {
		tables = append(tables, format(lines))
	}
	if ctx.Err() == nil {
		paced, errPaced := b.everyday(ctx, cmp.Or(rounds, everydayRounds), wanted)
		if len(paced) > 0 {
			tables = append(tables, formatEveryday(paced))
		}
		err = errors.Join(err, errPaced)
	}
	return strings.Join(tables, "\n"), err
}

// saturate measures the rows in which the servers get all the load they take.
func (b *bench) saturate(ctx context.Context, rounds int, wanted func(name string) bool) ([]line, error) {
	var lines []line
	var errs []error
	for _, r := range rows {
		if !wanted(r.name) {
			continue
		}
		l := line{row: r, costs: map[string][]cost{}}
		for range rounds {
			errs = append(errs, b.round(ctx, &l))
			if ctx.Err() != nil {
				return lines, ctx.Err()
			}
		}
		lines = append(lines, l)
	}
	return lines, errors.Join(errs...)
}

// round measures one row on each server, and first of all the machine.
func (b *bench) round(ctx context.Context, l *line) error {
	echo, err := b.once(ctx, column{name: echoColumn, base: true, start: startEcho}, yardstick)
	if err != nil {
		return fmt.Errorf("%s: %w", yardstick.name, err)
	}
	return b.turns(ctx, l.row, b.columns(), func(c column, got cost) {
		l.costs[c.name] = append(l.costs[c.name], got)
		if c.name == ownColumn {
			l.scaled = append(l.scaled, got.times(budgetEcho/echo.server))
		}
	})
}

// turns measures one row on each of the servers that take it, and calls took
// with what it measured. A server that fails keeps none of the others back.
func (b *bench) turns(ctx context.Context, r row, columns []column, took func(column, cost)) error {
	var errs []error
	for _, c := range columns {
		if !c.takes(r) {
			continue
		}
		got, err := b.once(ctx, c, r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errMissing):
			fmt.Fprintf(b.progress, "bench: %s left out: %v\n", c.name, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s on %s: %w", r.name, c.name, err))
		default:
			took(c, got)
		}
	}
	return errors.Join(errs...)
}

// once measures a row on a fresh server.
func (b *bench) once(ctx context.Context, c column, r row) (cost, error) {
	s, err := c.start()
	if err != nil {
		return cost{}, err
	}
	defer s.close()
	if r.rate > 0 {
		if _, err := put(ctx, c, s, warmUp); err != nil {
			return cost{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	report, err := put(ctx, c, s, r)
	if err != nil {
		return cost{}, err
	}
	if err := r.reached(report); err != nil {
		return cost{}, err
	}
	got := r.cost(report)
	fmt.Fprintf(b.progress, "bench: %s on %s: server %.2f, Redis %.2f%s\n", r.name, c.name, got.server, got.redis, got.delivery())
	return got, nil
}

// put puts the load of a row on a server. A load that finds faults is an error.
func put(ctx context.Context, c column, s *server, r row) (*load.Report, error) {
	cfg, err := load.Workload(r.workload)
	if err != nil {
		return nil, err
	}
	r.change(&cfg)
	cfg.Targets, cfg.ServerPIDs, cfg.RedisPIDs, cfg.BaseProtocol = []string{s.url}, []int{s.pid()}, s.redisPIDs(), c.base
	cfg.AckTimeout = 20 * time.Second // what is measured is not how late answers come
	report, err := load.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return report, report.Err()
}
