//go:build unix

package chaos

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/mdtable"
)

// Failed is how many promises were broken in all rows.
func (r *Report) Failed() int {
	sum := 0
	for i := range r.Rows {
		sum += r.Rows[i].failed()
	}
	return sum
}

// Stall is the longest that this process was kept from running.
func (r *Report) Stall() time.Duration {
	var worst time.Duration
	for i := range r.Rows {
		worst = max(worst, r.Rows[i].Stall)
	}
	return worst
}

var columns = []string{
	"fault", "load", "ghosts", "gone p50", "p99", "max", "false leaves", "false joins", "duplicates", "gaps",
	"lost patches", "stale answers", "other", "excused leaves", "refused", "heartbeat p99", "max", "others max", "agree after",
}

// Write prints the rows as a Markdown table, and what was complained of below.
func (r *Report) Write(out io.Writer) {
	table := [][]string{columns}
	for i := range r.Rows {
		table = append(table, r.Rows[i].cells())
	}
	fmt.Fprint(out, mdtable.Format(table))
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Stall > time.Second {
			fmt.Fprintf(out, "%s: this process stood still for %v\n", row.Fault, row.Stall.Round(time.Millisecond))
		}
		for _, text := range row.Words {
			fmt.Fprintf(out, "%s, %s: %s\n", row.Topology, row.Fault, text)
		}
	}
}

func (r *Row) cells() []string {
	cells := []string{r.Topology + ": " + r.Fault, r.Load, strconv.Itoa(r.Ghosts)}
	for _, d := range []time.Duration{r.GoneP50, r.GoneP99, r.GoneMax} {
		cells = append(cells, short(d))
	}
	for kind, n := range r.counts {
		if complaint(kind) == gap {
			n += r.Unhealed
		}
		cells = append(cells, strconv.Itoa(n))
	}
	return append(cells, strconv.Itoa(r.Excused), strconv.Itoa(r.Refused),
		short(r.BeatP99), short(r.BeatMax), short(r.Slowest), short(r.Agree))
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
