package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/realtime-ai/realtime-message-go/internal/mdtable"
)

// worseFrom is the ratio that a row's whole interval must lie above before the
// row counts as worse: what a run cannot tell from noise is no worse.
const worseFrom = 1.03

// A comparison has comparedRounds unless told otherwise, and needs minRounds.
const (
	comparedRounds = 7
	minRounds      = 3
)

// pair is what one round measured of one row on both binaries.
type pair struct {
	base, own cost
}

// trial is a row and what starts a build of the command for it.
type trial struct {
	row   row
	start func(binary string) (*server, error)
}

// trials are all rows of a comparison: those at everyday load once with members
// in memory, and once on Redis.
func trials() (list []trial) {
	for _, r := range rows {
		list = append(list, trial{r, startRealtime})
	}
	for _, r := range everydayRows {
		list = append(list, trial{r.named("in memory (µs)"), startMemory}, trial{r.named("on Redis (µs)"), startRealtime})
	}
	return list
}

// compared is a row with what each round measured.
type compared struct {
	row   row
	pairs []pair
}

// compare measures the rows on two builds of the command, one right after the
// other in each round, the order changing from round to round. It returns the
// table of the rows that it came to, and an error that names the rows whose
// costs are worse. Rounds of 0 are comparedRounds.
func (b *bench) compare(ctx context.Context, base string, rounds int, wanted func(name string) bool) (string, error) {
	if rounds = cmp.Or(rounds, comparedRounds); rounds < minRounds {
		return "", fmt.Errorf("a comparison needs at least %d rounds", minRounds)
	}
	var list []compared
	for _, t := range trials() {
		if !wanted(t.row.name) {
			continue
		}
		c := compared{row: t.row}
		for n := range rounds {
			p, err := b.both(ctx, base, t, n%2 == 1)
			if err != nil {
				return formatCompared(list), fmt.Errorf("%s: %w", t.row.name, err)
			}
			c.pairs = append(c.pairs, p)
		}
		list = append(list, c)
	}
	return formatCompared(list), worse(list)
}

// both measures a row on the two binaries.
func (b *bench) both(ctx context.Context, base string, t trial, ownFirst bool) (p pair, err error) {
	turns := []struct {
		column column
		cost   *cost
	}{
		{column{name: "base", start: func() (*server, error) { return t.start(base) }}, &p.base},
		{column{name: ownColumn, start: func() (*server, error) { return t.start(b.binary) }}, &p.own},
	}
	if ownFirst {
		turns[0], turns[1] = turns[1], turns[0]
	}
	for _, turn := range turns {
		if *turn.cost, err = b.once(ctx, turn.column, t.row); err != nil {
			return p, fmt.Errorf("on %s: %w", turn.column.name, err)
		}
	}
	return p, nil
}

// interval is a ratio with the bounds of its 95 % confidence interval.
type interval struct {
	ratio, low, high float64
}

// ratioOf is the geometric mean of the rounds' ratios. Its interval is that of
// Student's t on their logarithms; ok is false when a part was never measured.
func ratioOf(pairs []pair, part func(cost) float64) (i interval, ok bool) {
	logs := make([]float64, 0, len(pairs))
	for _, p := range pairs {
		base, own := part(p.base), part(p.own)
		if base <= 0 || own <= 0 {
			return interval{}, false
		}
		logs = append(logs, math.Log(own/base))
	}
	if len(logs) < 2 {
		return interval{}, false
	}
	n := float64(len(logs))
	mean, squares := 0.0, 0.0
	for _, l := range logs {
		mean += l / n
	}
	for _, l := range logs {
		squares += (l - mean) * (l - mean)
	}
	margin := student95(len(logs)-1) * math.Sqrt(squares/(n-1)/n)
	return interval{math.Exp(mean), math.Exp(mean - margin), math.Exp(mean + margin)}, true
}

// student95 is the 97.5 % quantile of Student's t distribution. Beyond the table it
// is that of the normal distribution, a little too narrow.
func student95(freedom int) float64 {
	quantiles := [...]float64{
		12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
		2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
	}
	if freedom <= len(quantiles) {
		return quantiles[freedom-1]
	}
	return 1.96
}

func (i interval) worse() bool { return i.low >= worseFrom }

func (i interval) text() string { return fmt.Sprintf("%.3f (%.3f–%.3f)", i.ratio, i.low, i.high) }

// part is one of the things that a row's cost consists of.
type part struct {
	name  string
	of    func(cost) float64
	takes func(row) bool
	shown bool // in the table, without a verdict
}

// parts: Redis costs too little to be compared in the rows at saturation that have
// no budget for it. The p99 has no verdict: one stall of the machine in a round
// decides it, so that a comparison would often fail though nothing is worse.
var parts = []part{
	{name: "server", of: serverOf, takes: func(row) bool { return true }},
	{name: "Redis", of: redisOf, takes: func(r row) bool { return r.budget.redis >= 1 || r.rate > 0 }},
	{name: "delivery p50 (ms)", of: p50Of, takes: func(r row) bool { return r.rate > 0 }},
	{name: "delivery p99 (ms)", of: p99Of, takes: func(r row) bool { return r.rate > 0 }, shown: true},
}

func (p part) verdict(i interval) string {
	switch {
	case p.shown:
		return "–"
	case i.worse():
		return "worse"
	}
	return "no worse"
}

// formatCompared writes a line for each row and part: the medians of both
// binaries, and their ratio with its interval.
func formatCompared(list []compared) string {
	table := [][]string{{"operation", "part", "base", "now", "now / base (95 %)", "verdict"}}
	for _, c := range list {
		for _, p := range parts {
			i, ok := ratioOf(c.pairs, p.of)
			if !p.takes(c.row) || !ok {
				continue
			}
			base, own := make([]cost, len(c.pairs)), make([]cost, len(c.pairs))
			for n, pair := range c.pairs {
				base[n], own[n] = pair.base, pair.own
			}
			table = append(table, []string{
				c.row.name, p.name, micros(median(base, p.of)), micros(median(own, p.of)), i.text(), p.verdict(i),
			})
		}
	}
	return mdtable.Format(table)
}

// worse is an error that names the rows that became worse; nil: none did.
func worse(list []compared) error {
	var errs []error
	for _, c := range list {
		for _, p := range parts {
			if i, ok := ratioOf(c.pairs, p.of); ok && p.takes(c.row) && !p.shown && i.worse() {
				errs = append(errs, fmt.Errorf("worse: %s, %s: %s", c.row.name, p.name, i.text()))
			}
		}
	}
	return errors.Join(errs...)
}
