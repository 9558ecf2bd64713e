package socketio

import (
	"bytes"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

func TestValuesAreNotEscapedForHTML(t *testing.T) {
	for _, in := range []string{"<b>&amp;</b>", "q\"\\\n", "é😀", "bad\xff"} {
		got, err := marshalJSON(map[string]string{"k": in})
		if err != nil || !jsontext.Valid(got) || bytes.Contains(got, []byte(`\u003c`)) {
			t.Errorf("marshalJSON(%q) = %s, %v", in, got, err)
		}
	}
}
