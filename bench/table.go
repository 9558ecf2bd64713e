package main

import (
	"fmt"
	"runtime"

	"github.com/realtime-ai/realtime-message-go/internal/mdtable"
	"github.com/realtime-ai/realtime-message-go/internal/quantile"
)

// line is a row with what was measured in each round.
type line struct {
	row    row
	costs  map[string][]cost // by column
	scaled []cost            // our own, as on the budgets' machine
}

// format writes the table, with the median of the rounds: server / Redis, what
// ours would be where the budgets were set, and how many times as much the
// others' servers cost.
func format(lines []line) string {
	table := [][]string{{
		"operation", "budget", fmt.Sprintf("at an echo of %.1f µs", budgetEcho), "realtime", "bare echo",
		"Socket.IO on Node", "realtime / echo", "Node / realtime",
	}}
	for _, l := range lines {
		own, echo, node := middle(l.costs[ownColumn]), middle(l.costs[echoColumn]), middle(l.costs[nodeColumn])
		scaled := middle(l.scaled)
		if l.row.fixed {
			scaled = own
		}
		withRedis := l.row.budget.redis > 0
		table = append(table, []string{
			l.row.name, l.row.budget.text(withRedis), scaled.text(withRedis), own.text(withRedis),
			echo.text(false), node.text(false), ratio(own.server, echo.server), ratio(node.server, own.server),
		})
	}
	return machine() + "; server / Redis\n\n" + mdtable.Format(table)
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// What a cost consists of.
func serverOf(c cost) float64 { return c.server }
func redisOf(c cost) float64  { return c.redis }
func p50Of(c cost) float64    { return c.p50 }
func p99Of(c cost) float64    { return c.p99 }

// middle is the median of each part; of nothing, nothing.
func middle(list []cost) cost {
	return cost{median(list, serverOf), median(list, redisOf), median(list, p50Of), median(list, p99Of)}
}

func median(list []cost, part func(cost) float64) float64 {
	values := make([]float64, len(list))
	for i, c := range list {
		values[i] = part(c)
	}
	return quantile.Of(values, 0.5)
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
