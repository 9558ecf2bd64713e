package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
)

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteBenchfmt writes the report in the format of Go benchmarks, which
// benchstat compares: a line for each phase's costs, one for each latency.
func (r *Report) WriteBenchfmt(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "goos: %s\ngoarch: %s\n", runtime.GOOS, runtime.GOARCH)
	name := fmt.Sprintf("BenchmarkRealtime/workload=%s/rooms=%d/users=%d", r.Workload, r.Rooms, r.UsersPerRoom)
	for _, p := range r.Phases {
		n := max(p.Operations, 1)
		fmt.Fprintf(&out, "%s/%s \t%d\t%.0f ns/op", name, strings.ReplaceAll(p.Name, "-", ""), n, p.Seconds*1e9/float64(n))
		for i, u := range p.Processes {
			unit := u.Role
			if i > 0 && p.Processes[i-1].Role == u.Role {
				unit += fmt.Sprint("-", u.PID)
			}
			fmt.Fprintf(&out, "\t%.3f %s-µs/op", u.CPUMicros(n), unit)
			if p.Deliveries > 0 {
				fmt.Fprintf(&out, "\t%.3f %s-µs/delivery", u.CPUMicros(p.Deliveries), unit)
			}
			if p.Name == phaseRampUp && u.Role != roleRedis {
				fmt.Fprintf(&out, "\t%.3f %s-KB/conn", u.grownKB()/float64(r.Rooms*r.UsersPerRoom), unit)
			}
		}
		fmt.Fprintln(&out)
	}
	for _, l := range r.Latencies {
		fmt.Fprintf(&out, "%s/latency=%s \t%d\t%.0f ns/op\t%d p50-µs\t%d p99-µs\t%d p99.9-µs\t%d max-µs\n",
			name, l.Op, l.Count, l.Mean*1000, l.P50, l.P99, l.P999, l.Max)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
