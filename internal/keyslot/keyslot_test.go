package keyslot

import "testing"

// The slots are those that CLUSTER KEYSLOT answers.
func TestSlots(t *testing.T) {
	for key, want := range map[string]uint16{
		"123456789": 12739, // the check value of the checksum, 0x31c3
		"":          0,
		"foo":       12182,
		"x{foo}y":   12182,
		"{foo}{bar": 12182,
		"{}foo":     9500,
	} {
		if got := Of(key); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}
