package bench

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	r := Report{
		Scenario: "idle", Connections: 10, RoomSize: 2, Elapsed: 2 * time.Second,
		Operations: 10, P50: time.Millisecond, P99: 2500 * time.Microsecond, Deliveries: 20, Opening: true,
		EventsExpected: 5, EventsReceived: 5,
		Server: Usage{Known: true, CPU: time.Millisecond, ResidentBefore: 1 << 20, ResidentAfter: 2 << 20},
	}
	var out strings.Builder
	if _, err := r.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10 (5/s)", "1.00 ms / 2.50 ms", "100.00 µs", "50.00 µs", "102.40 KB", "5 / 5"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "redis") {
		t.Errorf("a process that was not measured is in\n%s", &out)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestReportErr(t *testing.T) {
	good := Report{Operations: 1, EventsExpected: 2, EventsReceived: 2}
	for name, spoil := range map[string]func(*Report){
		"an error":           func(r *Report) { r.Errors = 1 },
		"an interruption":    func(r *Report) { r.Interrupted = true },
		"a missing event":    func(r *Report) { r.EventsReceived-- },
		"an event too many":  func(r *Report) { r.EventsReceived++ },
		"nothing to measure": func(r *Report) { r.Operations = 0 },
	} {
		r := good
		if spoil(&r); r.Err() == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
