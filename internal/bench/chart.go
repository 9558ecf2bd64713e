package bench

import (
	"fmt"
	"math"
	"strings"
)

// chart is a line chart, laid out for the page's template.
type chart struct {
	Title, Note string
	Lines       []line
	XTicks      []tick
	YTicks      []tick
}

// line is one series. Style is its colour's number, Dashed the second of a
// pair in that colour.
type line struct {
	Name   string
	Style  int
	Dashed bool
	Path   string
	Dots   []dot
}

type dot struct{ X, Y, Text string }

type tick struct{ At, Text string }

// The plot's place in its picture.
const (
	plotLeft, plotTop     = 62.0, 12.0
	plotWidth, plotHeight = 640.0, 200.0
)

// point is a place in a series, in the units of its axes.
type point struct{ x, y float64 }

// series is a line before it is laid out.
type series struct {
	name   string
	style  int
	dashed bool
	points []point
}

// axis maps values to 0..1, and says what to write at which.
type axis struct {
	low, high float64
	log       bool
	format    func(float64) string
}

func (a axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	return (v - low) / (high - low)
}

// newChart lays out series; x runs from the first to the last of xTicks.
func newChart(title, note string, all []series, xTicks []float64, x, y axis) chart {
	c := chart{Title: title, Note: note}
	across := func(v float64) string { return coordinate(plotLeft + plotWidth*x.place(v)) }
	up := func(v float64) string { return coordinate(plotTop + plotHeight*(1-y.place(v))) }
	for _, s := range all {
		l := line{Name: s.name, Style: s.style, Dashed: s.dashed}
		var path strings.Builder
		for i, p := range s.points {
			fmt.Fprintf(&path, "%c%s %s", "ML"[min(i, 1)], across(p.x), up(p.y))
			l.Dots = append(l.Dots, dot{across(p.x), up(p.y), fmt.Sprintf("%s, %s: %s", s.name, x.format(p.x), y.format(p.y))})
		}
		l.Path = path.String()
		c.Lines = append(c.Lines, l)
	}
	for _, v := range xTicks {
		c.XTicks = append(c.XTicks, tick{across(v), x.format(v)})
	}
	for _, v := range y.ticks() {
		c.YTicks = append(c.YTicks, tick{up(v), y.format(v)})
	}
	return c
}

func coordinate(v float64) string { return fmt.Sprintf("%.1f", v) }

// ticks are round values from low to high: powers of ten on a logarithmic
// axis.
func (a axis) ticks() []float64 {
	var list []float64
	if a.log {
		for v := a.low; v <= a.high*1.001; v *= 10 {
			list = append(list, v)
		}
		return list
	}
	step := roundStep((a.high - a.low) / 4)
	for v := a.low; v <= a.high*1.001; v += step {
		list = append(list, v)
	}
	return list
}

// roundStep is the next of 1, 2, 5, 10, … times a power of ten.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if v <= f*power {
			return f * power
		}
	}
	return 10 * power
}

// linear is an axis from 0 to a round value above all points.
func linear(all []series, format func(float64) string) axis {
	top := highest(all)
	step := roundStep(top / 4)
	return axis{high: step * math.Ceil(top/step), format: format}
}

// logarithmic is an axis from a power of ten below all points to one above.
func logarithmic(all []series, format func(float64) string) axis {
	low := math.Inf(1)
	for _, s := range all {
		for _, p := range s.points {
			low = min(low, p.y)
		}
	}
	low = math.Pow(10, math.Floor(math.Log10(max(low, 1))))
	high := math.Pow(10, math.Ceil(math.Log10(max(highest(all), 1))))
	return axis{low: low, high: max(high, 10*low), log: true, format: format}
}

// highest is the highest value of all points, above 0.
func highest(all []series) float64 {
	top := 0.0
	for _, s := range all {
		for _, p := range s.points {
			top = max(top, p.y)
		}
	}
	if top <= 0 {
		return 1
	}
	return top
}
