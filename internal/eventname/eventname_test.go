package eventname

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	p, err := Parse([]string{"chat:*", "cursor", "pre*", "star*"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"chat:": true, "chat:message": true, "cursor": true, "pretty": true, "pre": true, "star": true, "stars": true,
		"": false, "chat": false, "cursors": false, "Cursor": false, "chat:*": true, "presence:join": false, "presence:": false,
	} {
		if got := p.Match(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if all, err := Parse([]string{"*"}); err != nil || !all.Match("a") || !all.Match("") || all.Match("connect") || all.Match("presence:event") {
		t.Errorf("* matches the wrong names, %v", err)
	}
	if (Patterns{}).Match("") {
		t.Error("no pattern matches")
	}
}

func TestParseRefuses(t *testing.T) {
	for entry, want := range map[string]string{
		"": "no name", "a*b": "before its end", "**": "before its end", "a**": "before its end",
		"presence:join": "presence keeps", "presence:*": "presence keeps", "disconnect": "Socket.IO keeps",
	} {
		_, err := Parse([]string{"fine", entry})
		if err == nil || !strings.HasPrefix(err.Error(), `"`+entry+`"`) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
}
