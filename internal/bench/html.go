package bench

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

// WriteHTML writes the report as one page that needs nothing else: the table
// and its charts, readable on light and on dark.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := r.WriteTable(&text); err != nil {
		return err
	}
	verdict := "No errors, and every event arrived once."
	fault := r.Err()
	if fault != nil {
		verdict = fault.Error()
	}
	return page.Execute(w, struct {
		Report  *Report
		Title   string
		Verdict string
		Good    bool
		Table   string
		Charts  []chart
	}{r, r.Title(), verdict, fault == nil, text.String(), r.charts()})
}

func (r *Report) charts() []chart {
	var list []chart
	for _, c := range []chart{
		r.latencyChart(), r.percentileChart(), r.requestChart(), r.deliveryChart(),
		r.processChart("CPU", "1 is the whole of one core", func(s Share) float64 { return s.Cores }, func(v float64) string { return fmt.Sprintf("%.2g", v) }),
		r.processChart("Resident memory", "", func(s Share) float64 { return mb(s.Resident) }, func(v float64) string { return fmt.Sprintf("%.4g MB", v) }),
	} {
		if len(c.Lines) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// overTime lays out series over the time of the run.
func (r *Report) overTime(title, note string, all []series, scale func([]series, func(float64) string) axis, format func(float64) string) chart {
	if len(all) == 0 {
		return chart{}
	}
	end := r.Intervals[len(r.Intervals)-1].EndSeconds
	x := axis{high: end, format: func(v float64) string { return fmt.Sprintf("%.4g s", v) }}
	return newChart(title, note, all, x.ticks(), x, scale(all, format))
}

func (r *Report) latencyChart() chart {
	low, high := map[int][]point{}, map[int][]point{}
	for _, i := range r.charted() {
		for _, l := range i.Latencies {
			o := slices.Index(opNames[:], l.Op)
			low[o] = append(low[o], point{i.EndSeconds, float64(l.P50)})
			high[o] = append(high[o], point{i.EndSeconds, float64(l.P99)})
		}
	}
	var all []series
	for _, o := range slices.Sorted(maps.Keys(high)) {
		name := opNames[o]
		all = append(all, series{name + " p99", o, false, high[o]}, series{name + " p50", o, true, low[o]})
	}
	return r.overTime("Latency over time", "logarithmic", all, logarithmic, duration)
}

// percentileChart has an axis on which each step to the right is ten times
// rarer.
func (r *Report) percentileChart() chart {
	const most = 99.999
	rarity := func(percent float64) float64 { return 100 / (100 - min(percent, most)) }
	var all []series
	for _, l := range r.Latencies {
		s := series{name: l.Op, style: slices.Index(opNames[:], l.Op)}
		for _, p := range l.Curve {
			if enough := float64(l.Count) >= rarity(p.Percent); enough && p.Percent <= most {
				s.points = append(s.points, point{rarity(p.Percent), float64(p.Us)})
			}
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return chart{}
	}
	x := axis{low: 1, high: 1e5, log: true, format: func(v float64) string { return fmt.Sprintf("%.6g %%", 100-100/v) }}
	return newChart("Latency percentiles", "logarithmic", all, []float64{1, 2, 10, 100, 1000, 1e4, 1e5}, x, logarithmic(all, duration))
}

func (r *Report) requestChart() chart {
	byOp := map[int][]point{}
	for _, i := range r.charted() {
		for _, l := range i.Latencies {
			if o := slices.Index(opNames[:], l.Op); op(o) != opDelivery {
				byOp[o] = append(byOp[o], point{i.EndSeconds, float64(l.Count) / i.Seconds})
			}
		}
	}
	var all []series
	for _, o := range slices.Sorted(maps.Keys(byOp)) {
		all = append(all, series{name: opNames[o], style: o, points: byOp[o]})
	}
	return r.overTime("Requests answered per second", "", all, linear, rate)
}

func (r *Report) deliveryChart() chart {
	s := series{name: "events", style: int(opDelivery)}
	for _, i := range r.charted() {
		s.points = append(s.points, point{i.EndSeconds, float64(i.Deliveries) / i.Seconds})
	}
	if len(s.points) == 0 {
		return chart{}
	}
	return r.overTime("Events delivered per second", "", []series{s}, linear, rate)
}

func (r *Report) processChart(title, note string, value func(Share) float64, format func(float64) string) chart {
	var all []series
	for _, i := range r.charted() {
		for n, p := range i.Processes {
			if n >= len(all) {
				all = append(all, series{name: p.Role, style: n})
				if p.Role != roleClient {
					all[n].name += fmt.Sprintf(" (%d)", p.PID)
				}
			}
			all[n].points = append(all[n].points, point{i.EndSeconds, value(p)})
		}
	}
	return r.overTime(title, note, all, linear, format)
}

// charted are the intervals without those that the end of a phase cut short:
// a rate over a few milliseconds says nothing.
func (r *Report) charted() []Interval {
	longest := 0.0
	for _, i := range r.Intervals {
		longest = max(longest, i.Seconds)
	}
	return slices.DeleteFunc(slices.Clone(r.Intervals), func(i Interval) bool { return i.Seconds < longest/4 })
}

func rate(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g/s", v)
	}
	return fmt.Sprintf("%.0f/s", v)
}

// duration words a time in microseconds.
func duration(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.3g µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.3g ms", us/1e3)
	}
	return fmt.Sprintf("%.3g s", us/1e6)
}
