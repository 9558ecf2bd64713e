package bench

import (
	"fmt"
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

func TestText(t *testing.T) {
	body := []byte(`[{"ok":false,"code":"rate_limited","resume":"x`)
	if got := text(body, fieldCode); got != "rate_limited" {
		t.Errorf("code %q", got)
	}
	for _, field := range [][]byte{fieldResume, fieldUser} {
		if got := text(body, field); got != "" {
			t.Errorf("%s: %q", field, got)
		}
	}
}

func TestParseEvent(t *testing.T) {
	const format = `["presence:event",{"type":%q,"roomId":"r","userId":"user-12.","connId":"c","state":%s,"ts":1,"epoch":3%s}]`
	state := `{"pad":"xx","n":5,"t":70}`
	for name, c := range map[string]struct {
		kind, state, rest string
		base              bool
		want              event
	}{
		"update":         {"update", state, `,"seq":9,"prev":7`, false, event{updated, 12, 9, 7, 5, 70}},
		"join":           {"join", state, `,"seq":9,"prev":8`, false, event{joined, 12, 9, 8, 0, 0}},
		"leave":          {"leave", "null", `,"seq":9,"prev":8`, false, event{left, 12, 9, 8, 0, 0}},
		"without prev":   {"leave", "null", `,"seq":9`, false, event{left, 12, 9, 8, 0, 0}},
		"of a base":      {"update", state, "", true, event{updated, 12, 0, 0, 5, 70}},
		"base with more": {"update", state, `,"seq":9`, true, event{updated, 12, 0, 0, 5, 70}},
	} {
		if got, err := parseEvent(fmt.Appendf(nil, format, c.kind, c.state, c.rest), c.base); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{
		`["chat:x",{"type":"join","userId":"user-1.","seq":1}]`,
		`["presence:event",{"type":"fly","userId":"user-1.","seq":1}]`,
		`["presence:event",{"type":"join","userId":"somebody","seq":1}]`,
		`["presence:event",{"type":"join","userId":"user-1."}]`,
		`["presence:event",{"type":"update","userId":"user-1.","state":{"n":1},"seq":1}]`,
		`["presence:event",{"type":"join","userId":"user-1.","seq":1,"prev":null}]`,
	} {
		if got, err := parseEvent([]byte(bad), false); err == nil {
			t.Errorf("%s: got %+v", bad, got)
		}
	}
}

func TestParseJoinAck(t *testing.T) {
	const member = `{"connId":"a","userId":"user-0.","state":{},"epoch":8}`
	full := `[{"ok":true,"snapshot":[` + member + `,` + member + `],"self":{"connId":"b","epoch":4,"graceMs":9,"resume":"token"},"seq":77,"resumed":true}]`
	if got, err := parseJoinAck([]byte(full), false); err != nil || got != (joinAck{77, 4, 2, true, "token"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	other := `[{"ok":true,"self":{"connId":"b","epoch":4},"snapshot":[` + member + `]}]`
	if got, err := parseJoinAck([]byte(other), true); err != nil || got != (joinAck{0, 4, 1, false, ""}) {
		t.Errorf("base: got %+v, %v", got, err)
	}
	for _, bad := range []string{`[{"ok":true,"snapshot":[]}]`, `[{"self":{"connId":"b"}}]`, other} {
		if got, err := parseJoinAck([]byte(bad), false); err == nil {
			t.Errorf("%s: got %+v", bad, got)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(`["presence:event",{"type":"update","userId":"user-1.","state":{"n":1,"t":2},"seq":12,"prev":11}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := parseEvent(body, false); err == nil && (e.user < 0 || e.seq < 0 || e.prev < -1 || e.counter < 0 || e.sent < 0) {
			t.Errorf("%+v of %q", e, body)
		}
	})
}
