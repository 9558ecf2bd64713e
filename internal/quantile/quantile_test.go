package quantile

import "testing"

func TestOf(t *testing.T) {
	for q, want := range map[float64]int{0: 10, 0.5: 30, 0.75: 40, 0.99: 40, 1: 40} {
		if got := Of([]int{30, 10, 40, 20}, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
	if got := Of([]float64{}, 0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}
