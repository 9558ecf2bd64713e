package bench

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run measured.
type Report struct {
	Scenario              string
	Connections, RoomSize int
	Elapsed               time.Duration
	// Operations is how many requests were answered while it measured (or
	// connections that joined), P50 and P99 how long they took.
	Operations int64
	P50, P99   time.Duration
	// Deliveries is how many events arrived while it measured.
	Deliveries int64
	// Opening says that connections were opened while it measured, so that
	// memory per connection can be told.
	Opening       bool
	Server, Redis Usage

	// The rest is of the whole run, setting up and warming up included.

	EventsExpected, EventsReceived int64
	Errors                         int64
	FirstErrors                    []string
	Interrupted                    bool
}

// Err says what was wrong with the run: an error, a missing event or one too
// many, an interruption. Nil if all went well.
func (r *Report) Err() error {
	switch {
	case r.Errors > 0:
		return fmt.Errorf("%d errors: %s", r.Errors, strings.Join(r.FirstErrors, "; "))
	case r.Interrupted:
		return errors.New("interrupted")
	case r.EventsReceived != r.EventsExpected:
		return fmt.Errorf("%d events expected, %d received", r.EventsExpected, r.EventsReceived)
	case r.Operations == 0:
		return errors.New("no operation was measured")
	}
	return nil
}

// WriteTo writes the report as a table of a name and a value per line.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(table, name+"\t"+format+"\n", args...) }

	row("scenario", "%s", r.Scenario)
	row("connections", "%d in rooms of %d", r.Connections, r.RoomSize)
	row("measured", "%.2f s", r.Elapsed.Seconds())
	row("operations", "%d (%.0f/s)", r.Operations, float64(r.Operations)/r.Elapsed.Seconds())
	row("errors", "%d", r.Errors)
	row("latency p50 / p99", "%s / %s", millis(r.P50), millis(r.P99))
	row("deliveries", "%d (%.0f/s)", r.Deliveries, float64(r.Deliveries)/r.Elapsed.Seconds())
	row("events expected / received", "%d / %d (whole run)", r.EventsExpected, r.EventsReceived)
	r.usage(row, "server", r.Server)
	r.usage(row, "redis", r.Redis)
	_ = table.Flush() // into a strings.Builder: cannot fail
	n, err := io.WriteString(w, text.String())
	return int64(n), err
}

func (r *Report) usage(row func(name, format string, args ...any), name string, u Usage) {
	if !u.Known {
		return
	}
	row(name+" CPU", "%.2f s (%.0f %% of one core)", u.CPU.Seconds(), 100*u.CPU.Seconds()/r.Elapsed.Seconds())
	if r.Operations > 0 {
		row(name+" CPU per operation", "%.2f µs", per(u.CPU, r.Operations))
	}
	if r.Deliveries > 0 {
		row(name+" CPU per delivery", "%.2f µs", per(u.CPU, r.Deliveries))
	}
	row(name+" resident", "%.1f MB, before %.1f MB", mb(u.ResidentAfter), mb(u.ResidentBefore))
	if r.Opening {
		grown := float64(u.ResidentAfter-u.ResidentBefore) / 1024
		row(name+" resident per connection", "%.2f KB", grown/float64(r.Connections))
	}
}

func per(total time.Duration, n int64) float64 {
	return float64(total.Nanoseconds()) / 1000 / float64(n)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }
