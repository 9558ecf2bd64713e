package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
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
	var out strings.Builder
	fmt.Fprintf(&out, "%s/%s, %d cores, %s; server / Redis\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	w := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| operation\t| budget\t| at an echo of %.1f µs\t| realtime\t| bare echo\t| Socket.IO on Node\t| realtime / echo\t| Node / realtime\t|\n", budgetEcho)
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, l := range lines {
		own, echo, node := middle(l.costs[ownColumn]), middle(l.costs[echoColumn]), middle(l.costs[nodeColumn])
		scaled := middle(l.scaled)
		if l.row.fixed {
			scaled = own
		}
		withRedis := l.row.budget.redis > 0
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n",
			l.row.name, l.row.budget.text(withRedis), scaled.text(withRedis), own.text(withRedis),
			echo.text(false), node.text(false), ratio(own.server, echo.server), ratio(node.server, own.server))
	}
	_ = w.Flush() // into a strings.Builder: cannot fail
	return out.String()
}

// middle is the median of each part; of nothing, nothing.
func middle(list []cost) cost {
	if len(list) == 0 {
		return cost{}
	}
	return cost{median(list, func(c cost) float64 { return c.server }), median(list, func(c cost) float64 { return c.redis })}
}

func median(list []cost, part func(cost) float64) float64 {
	values := make([]float64, len(list))
	for i, c := range list {
		values[i] = part(c)
	}
	slices.Sort(values)
	return values[len(values)/2]
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
