package bench

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func exampleReport() *Report {
	latency := []Latency{
		{Op: "connect", Count: 10, Mean: 900, P50: 1000, P90: 1500, P99: 2500, P999: 2500, Max: 2500, Curve: []Percentile{{0, 500}, {50, 1000}, {90, 1500}, {99, 2500}}},
		{Op: "patch", Count: 40, Mean: 100, P50: 90, P90: 120, P99: 240, P999: 240, Max: 240, Curve: []Percentile{{0, 50}, {50, 90}}},
	}
	usage := []Usage{
		{Role: roleServer, PID: 1, CPUSeconds: 0.001, ResidentBefore: 1 << 20, ResidentAfter: 2 << 20},
		{Role: roleServer, PID: 2, CPUSeconds: 0.002, ResidentBefore: 1 << 20, ResidentAfter: 1 << 20},
	}
	return &Report{
		Workload: "patch", Targets: []string{"http://a", "http://b"}, Transport: "websocket", Rooms: 5, UsersPerRoom: 2, Started: time.Unix(1e9, 0),
		Phases: []Phase{
			{Name: phaseRampUp, Seconds: 2, Operation: "connect and join", Operations: 10, Processes: usage},
			{Name: phaseLoad, Seconds: 4, Operation: "patch", Operations: 40, Deliveries: 800, Processes: usage},
		},
		Latencies: latency,
		Events:    Events{Expected: 5, Received: 5},
		Intervals: []Interval{
			{Phase: phaseRampUp, EndSeconds: 2, Seconds: 2, Connections: 10, Latencies: latency[:1], Processes: []Share{{roleServer, 1, 0.5, 2 << 20}}},
			{Phase: phaseLoad, EndSeconds: 4, Seconds: 2, Connections: 10, Deliveries: 800, Latencies: latency[1:], Processes: []Share{{roleServer, 1, 0.7, 2 << 20}}},
		},
	}
}

func TestTable(t *testing.T) {
	r := exampleReport()
	var out strings.Builder
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"connect and join  10 (5/s)", "100.00 µs per connect and join", "102.40 KB per connection",
		"patches           40 (10/s)", "25.00 µs per patch, 1.25 µs per delivery", "1.00 ms  1.50 ms  2.50 ms", "5 / 5", "http://a, http://b",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "redis") || strings.Contains(out.String(), " \n") {
		t.Errorf("a process that was not measured, or a space at an end, is in\n%s", &out)
	}
	if line := r.Intervals[1].Line(); !strings.Contains(line, "patch 20/s p50 0.09 ms p99 0.24 ms | server CPU 70 %") {
		t.Errorf("interval %s", line)
	}
}

func TestReportErr(t *testing.T) {
	for name, spoil := range map[string]func(*Report){
		"1 ack_timeout":       func(r *Report) { r.Errors = map[string]int64{errTimeout: 1} },
		"2 events missing":    func(r *Report) { r.Events.Missing = 2 },
		"3 duplicate events":  func(r *Report) { r.Events.Duplicates = 3 },
		"4 events out of":     func(r *Report) { r.Events.Reordered = 4 },
		"5 gaps":              func(r *Report) { r.Events.Gaps = 5 },
		"nothing":             func(r *Report) { r.Phases[0].Operations, r.Phases[1].Operations = 0, 0 },
		"interrupted before ": func(r *Report) { r.Interrupted, r.Phases = true, r.Phases[:1] },
	} {
		r := exampleReport()
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		spoil(r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	r := exampleReport()
	r.Interrupted = true
	if err := r.Err(); err != nil {
		t.Errorf("interrupted in the load: %v", err)
	}
}

func TestJSON(t *testing.T) {
	var out strings.Builder
	r := exampleReport()
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil {
		t.Fatal(err)
	}
	back.Started = r.Started // which lost its zone's name
	if !reflect.DeepEqual(&back, r) {
		t.Errorf("got %+v\nwant %+v", back, r)
	}
}

// Each line is what the format wants: a name, how many, and values with units.
func TestBenchfmt(t *testing.T) {
	var out strings.Builder
	if err := exampleReport().WriteBenchfmt(&out); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(goos: \w+|goarch: \w+|Benchmark[A-Z][^\s]*[ \t]+\d+(\t-?[0-9.]+ [^\s]+)+)$`)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, l := range lines {
		if !line.MatchString(l) {
			t.Errorf("bad line %q", l)
		}
	}
	if len(lines) != 6 || !strings.Contains(lines[3], "\t25.000 server-µs/op\t1.250 server-µs/delivery\t50.000 server-2-µs/op") {
		t.Errorf("got\n%s", &out)
	}
}

// The page is well formed, has each chart once, and loads nothing.
func TestHTML(t *testing.T) {
	var out strings.Builder
	r := exampleReport()
	r.Targets = []string{"http://<a>"}
	if err := r.WriteHTML(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, title := range []string{"Latency over time", "Latency percentiles", "Requests answered per second", "Events delivered per second", "CPU", "Resident memory"} {
		if n := strings.Count(page, `aria-label="`+title+`"`); n != 1 {
			t.Errorf("%d charts of %s", n, title)
		}
	}
	for _, bad := range []string{"<a>", "NaN", "Inf", "src=", "href=", "url(", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s is in the page", bad)
		}
	}
	if !strings.Contains(page, "prefers-color-scheme: dark") || !strings.Contains(page, "No errors") {
		t.Error("no dark colours, or no verdict")
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := (&Report{}).WriteHTML(io.Discard); err != nil {
		t.Errorf("an empty report: %v", err)
	}
}

func TestAxis(t *testing.T) {
	s := []series{{points: []point{{0, 3}, {1, 47}}}}
	a := linear(s, rate)
	if a.high != 60 || len(a.ticks()) != 4 || a.place(30) != 0.5 {
		t.Errorf("linear to %v, ticks %v", a.high, a.ticks())
	}
	l := logarithmic(s, duration)
	if l.low != 1 || l.high != 100 || len(l.ticks()) != 3 || l.place(10) != 0.5 || l.place(0) != 0 {
		t.Errorf("logarithmic from %v to %v, ticks %v", l.low, l.high, l.ticks())
	}
	if a := linear(nil, rate); a.high <= 0 {
		t.Errorf("of nothing: %+v", a)
	}
}

func TestBar(t *testing.T) {
	got := Progress{Phase: phaseLoad, Done: 0.5, Connections: 7, Answers: 8, Errors: 9}.Bar()
	if strings.Count(got, "█") != 15 || strings.Count(got, "·") != 15 || !strings.Contains(got, "50 %") || !strings.Contains(got, "9 errors") {
		t.Errorf("got %s", got)
	}
}
