// Package quantile finds the values that a part of all values lies below.
package quantile

import (
	"cmp"
	"slices"
)

// Of is the value that the part q of all values, from 0 to 1, lies below: 0.5 is the
// median. It sorts the values. Of none it is the zero value.
func Of[T cmp.Ordered](values []T, q float64) (value T) {
	if len(values) == 0 {
		return value
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
