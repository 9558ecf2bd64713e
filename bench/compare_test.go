package main

import (
	"math"
	"strings"
	"testing"
)

func pairsOf(ratios ...float64) []pair {
	var list []pair
	for _, r := range ratios {
		list = append(list, pair{base: cost{server: 10, redis: 4}, own: cost{server: 10 * r, redis: 4}})
	}
	return list
}

// The bounds are those of a t test on the logarithms, worked out by hand.
func TestRatioOf(t *testing.T) {
	got, ok := ratioOf(pairsOf(1, 1.1, 1.2, 1, 1.1, 1.2, 1.1), serverOf)
	want := interval{1.0974, 1.0244, 1.1756}
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.0005 }
	if !ok || !near(got.ratio, want.ratio) || !near(got.low, want.low) || !near(got.high, want.high) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, ok := ratioOf(pairsOf(1), serverOf); ok {
		t.Error("one round has no interval")
	}
	if _, ok := ratioOf(make([]pair, 3), serverOf); ok {
		t.Error("what was not measured has a ratio")
	}
}

func TestWorse(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []pair
		want  bool
	}{
		"the same":           {pairsOf(1, 1.01, 0.99), false},
		"a noisy rise":       {pairsOf(0.8, 1.5, 1.1), false},
		"a steady rise":      {pairsOf(1.09, 1.1, 1.11), true},
		"a rise below bound": {pairsOf(1.019, 1.02, 1.021), false},
		"better":             {pairsOf(0.5, 0.5, 0.5), false},
	} {
		list := []compared{{rows[0], c.pairs}}
		if err := worse(list); (err != nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Contains(formatCompared(list), "| worse"); got != c.want {
			t.Errorf("%s: the table says worse: %v", name, got)
		}
	}
}
