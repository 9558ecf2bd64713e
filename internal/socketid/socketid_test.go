package socketid

import (
	"regexp"
	"testing"
)

func TestIDsAreRecognised(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := New()
		if !form.MatchString(id) || !Is(id) || seen[id] {
			t.Fatalf("id %q, form %v, seen %v", id, Is(id), seen[id])
		}
		seen[id] = true
		changed := []byte(id)
		if changed[7]++; Is(string(changed)) {
			t.Errorf("%q passes for an id", changed)
		}
	}
	for _, name := range []string{"", "lobby", "customer-support-eu1", "AAAAAAAAAAAAAAAAAAAA", "____________________",
		"twenty characters :)", New() + "A", New()[1:], "a\n" + New()[2:]} {
		if Is(name) {
			t.Errorf("%q passes for an id", name)
		}
	}
}
