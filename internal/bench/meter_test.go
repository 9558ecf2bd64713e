package bench

import "testing"

func TestProcessThatDoesNotExist(t *testing.T) {
	if _, err := newMeters(Config{ServerPIDs: []int{1 << 30}}); err == nil {
		t.Error("it was measured")
	}
}
