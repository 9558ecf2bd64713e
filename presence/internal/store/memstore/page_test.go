package memstore

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// Pages of any size have every name once, in order, and the last one says that it is.
func TestPage(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 9, 1000} {
		names := map[string]bool{}
		for i := range n {
			names[fmt.Sprintf("%04d", i)] = true
		}
		want := slices.Sorted(maps.Keys(names))
		for _, limit := range []int{0, 1, 2, 3, 4, 256, 1000} {
			var got []string
			for cursor, more := "", true; more; {
				list, next := page(maps.Keys(names), cursor, limit)
				if len(list) > max(limit, 1) {
					t.Fatalf("a page of %d, limit %d", len(list), limit)
				}
				got = append(got, list...)
				cursor, more = next, next != ""
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d names in pages of %d: %d", n, limit, len(got))
			}
		}
	}
}
