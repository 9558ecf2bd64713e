package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report for a person to read.
func (r *Report) WriteTable(w io.Writer) error {
	t := &table{}
	t.row("workload", "%s", r.Workload)
	t.row("target", "%s (%s)", strings.Join(r.Targets, ", "), r.Transport)
	t.row("users", "%d in %d rooms of %d", r.Rooms*r.UsersPerRoom, r.Rooms, r.UsersPerRoom)
	for i := range r.Phases {
		t.phase(r, &r.Phases[i])
	}
	t.latencies(r.Latencies)
	t.row("", "")
	if r.HeartbeatsPerSec > 0 {
		t.row("furthest behind schedule", "%s", millis(r.LatestSeconds*1e6))
	}
	t.row("events expected / received", "%d / %d", r.Events.Expected, r.Events.Received)
	t.row("missing, gaps", "%d, %d", r.Events.Missing, r.Events.Gaps)
	t.row("duplicate, out of order", "%d, %d", r.Events.Duplicates, r.Events.Reordered)
	t.row("errors", "%s", errorCounts(r.Errors))
	for _, text := range r.Examples {
		t.row("", "%s", text)
	}
	if r.Interrupted {
		t.row("interrupted", "the figures are of the time until then")
	}
	_, err := io.WriteString(w, t.text())
	return err
}

func errorCounts(errors map[string]int64) string {
	if len(errors) == 0 {
		return "0"
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(errors)) {
		parts = append(parts, fmt.Sprintf("%d %s", errors[kind], kind))
	}
	return strings.Join(parts, ", ")
}

// table lays out names and values in two columns.
type table struct {
	out strings.Builder
	tab *tabwriter.Writer
}

func (t *table) row(name, format string, args ...any) {
	if t.tab == nil {
		t.tab = tabwriter.NewWriter(&t.out, 0, 0, 2, ' ', 0)
	}
	fmt.Fprintf(t.tab, name+"\t"+format+"\n", args...)
}

// text ends the table.
func (t *table) text() string {
	t.end()
	lines := strings.Split(t.out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func (t *table) end() {
	if t.tab != nil {
		_ = t.tab.Flush() // into a strings.Builder: cannot fail
		t.tab = nil
	}
}

func (t *table) phase(r *Report, p *Phase) {
	t.row("", "")
	t.row(p.Name, "%.2f s", p.Seconds)
	if p.Operations > 0 {
		t.row("  "+plural(p.Operation), "%d (%.0f/s)", p.Operations, float64(p.Operations)/p.Seconds)
	}
	if p.Deliveries > 0 {
		t.row("  deliveries", "%d (%.0f/s)", p.Deliveries, float64(p.Deliveries)/p.Seconds)
	}
	for _, u := range p.Processes {
		t.row("  "+u.Role+" CPU", "%s", strings.Join(u.costs(r, p), ", "))
	}
	for _, u := range p.Processes {
		grown := ""
		if p.Name == phaseRampUp && u.Role != roleRedis {
			grown = fmt.Sprintf(", %.2f KB per connection", u.grownKB()/float64(r.Rooms*r.UsersPerRoom))
		}
		t.row("  "+u.Role+" memory", "%.1f MB, before %.1f MB%s", mb(u.ResidentAfter), mb(u.ResidentBefore), grown)
	}
}

func plural(operation string) string {
	if strings.Contains(operation, " ") {
		return operation
	}
	if strings.HasSuffix(operation, "ch") {
		return operation + "es"
	}
	return operation + "s"
}

// costs lists what the CPU time of a phase comes to.
func (u Usage) costs(r *Report, p *Phase) []string {
	costs := []string{fmt.Sprintf("%.2f s (%.0f %% of a core)", u.CPUSeconds, 100*u.CPUSeconds/p.Seconds)}
	switch {
	case p.Name == phaseRampUp && r.HeartbeatsPerSec > 0:
		return costs // it paid for heartbeats too
	case p.Operations > 0:
		costs = append(costs, fmt.Sprintf("%.2f µs per %s", u.CPUMicros(p.Operations), p.Operation))
	default:
		connections := float64(r.Rooms*r.UsersPerRoom) * p.Seconds
		costs = append(costs, fmt.Sprintf("%.2f µs per connection and second", u.CPUSeconds*1e6/connections))
	}
	if p.Deliveries > 10*p.Operations { // else they are not what costs
		costs = append(costs, fmt.Sprintf("%.2f µs per delivery", u.CPUMicros(p.Deliveries)))
	}
	return costs
}

// CPUMicros is the CPU time in microseconds for each of n operations; 0 for
// none.
func (u Usage) CPUMicros(n int64) float64 {
	if n == 0 {
		return 0
	}
	return u.CPUSeconds * 1e6 / float64(n)
}

func (u Usage) grownKB() float64 { return float64(u.ResidentAfter-u.ResidentBefore) / 1024 }

func (t *table) latencies(list []Latency) {
	if len(list) == 0 {
		return
	}
	t.end()
	columns := tabwriter.NewWriter(&t.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(columns, "\nlatency\tcount\tmean\tp50\tp90\tp99\tp99.9\tmax\t")
	for _, l := range list {
		fmt.Fprintf(columns, "%s\t%d\t", l.Op, l.Count)
		for _, us := range []float64{l.Mean, float64(l.P50), float64(l.P90), float64(l.P99), float64(l.P999), float64(l.Max)} {
			fmt.Fprintf(columns, "%s\t", millis(us))
		}
		fmt.Fprintln(columns)
	}
	_ = columns.Flush()
}

func millis(us float64) string { return fmt.Sprintf("%.2f ms", us/1000) }

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Line is the interval in one line.
func (i Interval) Line() string {
	parts := []string{fmt.Sprintf("%7.1f s", i.EndSeconds)}
	if i.Phase != "" {
		parts = append(parts, i.Phase)
	}
	parts = append(parts, fmt.Sprintf("%d connected", i.Connections))
	for _, l := range i.Latencies {
		parts = append(parts, fmt.Sprintf("%s %.0f/s p50 %s p99 %s", l.Op, float64(l.Count)/i.Seconds, millis(float64(l.P50)), millis(float64(l.P99))))
	}
	for _, p := range i.Processes {
		if p.Role != roleClient {
			parts = append(parts, fmt.Sprintf("%s CPU %.0f %%", p.Role, 100*p.Cores))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d errors", i.Errors)), " | ")
}

// Title is the run in a few words, with its time.
func (r *Report) Title() string {
	return fmt.Sprintf("%s, %d users in %d rooms, %s", r.Workload, r.Rooms*r.UsersPerRoom, r.Rooms, r.Started.UTC().Format(time.DateTime))
}

// Bar is the progress in one line, with a bar.
func (p Progress) Bar() string {
	const width = 30
	full := int(p.Done * width)
	name := p.Phase
	if name == "" {
		name = "finishing"
	}
	return fmt.Sprintf("%-9s [%s%s] %3.0f %%  %d connected  %d answers  %d errors", name,
		strings.Repeat("█", full), strings.Repeat("·", width-full), 100*p.Done, p.Connections, p.Answers, p.Errors)
}
