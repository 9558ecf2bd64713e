package clip

import "testing"

func TestText(t *testing.T) {
	for _, c := range []struct {
		s    string
		most int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"ab😀", 4, "ab…"}, {"ab😀", 6, "ab😀"}, {"ab", 0, "…"},
	} {
		if got := Text(c.s, c.most); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.s, c.most, got, c.want)
		}
	}
}
