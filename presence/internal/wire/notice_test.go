package wire

import (
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// The texts are what other versions send and read.
func TestNotices(t *testing.T) {
	end := EndNotice{ConnID: "c\n", Life: "l", Owner: "n", Reason: store.ReasonLeave}
	text, err := end.Text()
	if want := "\x05" + `{"c":"c\n","l":"l","o":"n","w":"` + string(store.ReasonLeave) + `"}`; err != nil || string(text) != want {
		t.Fatalf("end: %q, %v, want %q", text, err, want)
	}
	if got, err := ParseEndNotice(text[1:]); err != nil || got != end {
		t.Errorf("read %+v, %v", got, err)
	}
	cut := DisconnectNotice{Room: "r", ConnID: "c", Epoch: 7}
	text, err = cut.Text()
	if want := "\x04" + `{"r":"r","c":"c","e":7}`; err != nil || string(text) != want {
		t.Fatalf("disconnect: %q, %v, want %q", text, err, want)
	}
	if got, err := ParseDisconnectNotice(text[1:]); err != nil || got != cut {
		t.Errorf("read %+v, %v", got, err)
	}
	if got, err := ParseDisconnectNotice([]byte(`{"r":"r","c":"c","e":7,"later":[1]}`)); err != nil || got != cut {
		t.Errorf("of a later version: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", "7", `{"c":1}`} {
		if _, err := ParseEndNotice([]byte(bad)); err == nil {
			t.Errorf("%q is a notice of an end", bad)
		}
		if _, err := ParseDisconnectNotice([]byte(bad)); err == nil {
			t.Errorf("%q is a notice of a disconnect", bad)
		}
	}
}
