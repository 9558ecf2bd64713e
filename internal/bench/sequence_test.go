package bench

import (
	"slices"
	"testing"
)

func TestSequence(t *testing.T) {
	type n struct{ n, prev int64 }
	for name, c := range map[string]struct {
		in   []n
		want []verdict
	}{
		"in order":          {[]n{{8, 7}, {9, 8}}, []verdict{inOrder, inOrder}},
		"a skipped number":  {[]n{{9, 7}}, []verdict{inOrder}},
		"after a later ack": {[]n{{8, 5}}, []verdict{inOrder}},
		"the same again":    {[]n{{8, 7}, {8, 7}}, []verdict{inOrder, duplicate}},
		"an older one":      {[]n{{6, 5}}, []verdict{duplicate}},
		"one missing":       {[]n{{9, 8}, {10, 9}}, []verdict{afterGap, inOrder}},
		"two swapped":       {[]n{{9, 8}, {8, 7}, {10, 9}}, []verdict{afterGap, reordered, inOrder}},
		"three backwards":   {[]n{{10, 9}, {9, 8}, {8, 7}}, []verdict{afterGap, reordered, reordered}},
		"swapped and again": {[]n{{9, 8}, {8, 7}, {8, 7}, {9, 8}}, []verdict{afterGap, reordered, duplicate, duplicate}},
		"the middle first":  {[]n{{12, 11}, {10, 9}, {8, 7}, {11, 10}, {9, 8}}, []verdict{afterGap, reordered, reordered, reordered, reordered}},
	} {
		s := sequence{last: 7}
		var got []verdict
		for _, in := range c.in {
			got = append(got, s.take(in.n, in.prev))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	var s sequence
	for i := range int64(5 * maxHoles) {
		s.take(10*i, 10*i-1)
	}
	if len(s.holes) > maxHoles {
		t.Errorf("%d holes are kept", len(s.holes))
	}
}
