package bench

import (
	"fmt"
	"testing"
)

func eventBody(kind string, seq, prev int64) []byte {
	return fmt.Appendf(nil, `["presence:event",{"type":"%s","userId":"user-1.","state":{},"seq":%d,"prev":%d}]`, kind, seq, prev)
}

// A member counts the events that are due to it, and finds what is wrong with
// any other.
func TestMemberEvents(t *testing.T) {
	for name, c := range map[string]struct {
		body  []byte
		fault bool
		count int64
	}{
		"the next":             {eventBody("update", 8, 7), false, 1},
		"another's join":       {eventBody("join", 8, 7), false, 1},
		"after a skipped seq":  {eventBody("update", 9, 7), false, 1},
		"after a later ack":    {eventBody("update", 8, 5), false, 1},
		"its own join":         {eventBody("join", 7, 6), false, 0},
		"the same again":       {eventBody("update", 7, 6), true, 0},
		"an older one":         {eventBody("update", 6, 5), true, 0},
		"a missing one before": {eventBody("update", 9, 8), true, 0},
		"a leave":              {eventBody("leave", 8, 7), true, 0},
		"another event":        {[]byte(`["chat:x",{"seq":8,"prev":7}]`), true, 0},
		"no prev":              {[]byte(`["presence:event",{"type":"update","seq":8}]`), true, 0},
	} {
		m := &member{run: &run{}, user: "user-1.", seq: 7}
		err := m.handleEvent(c.body)
		if got := m.run.events.Load(); (err != nil) != c.fault || got != c.count {
			t.Errorf("%s: counted %d, error %v", name, got, err)
		}
	}
}
