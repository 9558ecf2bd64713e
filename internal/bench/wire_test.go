package bench

import (
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	body := []byte(`[{"seq":1795429637679000,"prev":7,"x":-1,"epoch":}]`)
	for field, want := range map[string]int64{`"seq":`: 1795429637679000, `"prev":`: 7} {
		if got, err := number(body, []byte(field)); err != nil || got != want {
			t.Errorf("%s: got %d, %v", field, got, err)
		}
	}
	for _, field := range []string{`"x":`, `"epoch":`, `"none":`} {
		if got, err := number(body, []byte(field)); err == nil {
			t.Errorf("%s: got %d", field, got)
		}
	}
	if got, err := number([]byte(`"seq":`+strings.Repeat("9", 30)), fieldSeq); err == nil {
		t.Errorf("too long: got %d", got)
	}
}

func FuzzNumber(f *testing.F) {
	f.Add([]byte(`["presence:event",{"seq":12,"prev":11}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := number(body, fieldSeq); err == nil && n < 0 {
			t.Errorf("seq %d of %q", n, body)
		}
	})
}
