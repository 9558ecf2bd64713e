package wire

import (
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// A backlog is folded by what the change of an event says.
func TestChangeOfAnEvent(t *testing.T) {
	for _, c := range []struct {
		of    EventType
		fresh bool
		kind  series.Kind
	}{
		{EventJoin, true, series.Begin},
		{EventJoin, false, series.Replace},
		{EventUpdate, false, series.State},
		{EventLeave, false, series.End},
	} {
		e := &Shown{Fresh: c.fresh, Event: Event{
			Type: c.of, RoomID: "r", UserID: "u", ConnID: "c", State: []byte(`{}`), Seq: 9, Prev: 78, Status: StatusOnline,
		}}
		text, got := AppendEvent([]byte("before"), e)
		wanted := series.Change{
			Series: "r", Subject: "c", Holder: "u", Kind: c.kind, Seq: 9, Prev: 78, PrevAt: got.PrevAt, PrevLen: 2,
		}
		if got != wanted {
			t.Errorf("%s, fresh %v: %+v, want %+v", c.of, c.fresh, got, wanted)
		}
		want(t, string(c.of), string(text[len("before")+got.PrevAt:][:got.PrevLen]), "78")
	}
}
