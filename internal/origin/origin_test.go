package origin

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for entry, test := range map[string]struct{ yes, no []string }{
		"https://example.com": {
			yes: []string{"https://example.com", "HTTPS://EXAMPLE.com", "https://example.com:443"},
			no: []string{"http://example.com", "https://example.com:8443", "https://www.example.com", "https://example.com.evil.org",
				"https://notexample.com", "null", "", "https://", "example.com", "https://example.com/x", "https://example.com@evil.org"},
		},
		"HTTPS://Example.COM:443/":     {yes: []string{"https://example.com"}, no: []string{"https://example.com:80"}},
		"http://example.com:0080":      {yes: []string{"http://example.com"}},
		"http://example.com:8080/":     {yes: []string{"http://example.com:8080"}, no: []string{"http://example.com", "http://example.com:80801"}},
		"https://example.com.":         {yes: []string{"https://example.com."}, no: []string{"https://example.com"}},
		"http://127.0.0.1":             {yes: []string{"http://127.0.0.1"}},
		"http://[0:0::1]:3000":         {yes: []string{"http://[::1]:3000"}, no: []string{"http://[::1]"}},
		"http://[::FFFF:1.2.3.4]":      {yes: []string{"http://[::ffff:102:304]"}},
		"http://xn--mnchen-3ya.de":     {yes: []string{"http://xn--mnchen-3ya.de"}},
		"capacitor://localhost":        {yes: []string{"capacitor://localhost"}, no: []string{"http://localhost"}},
		"chrome-extension://abcdefgh":  {yes: []string{"chrome-extension://abcdefgh"}},
		"http://localhost:*":           {yes: []string{"http://localhost", "http://localhost:5173"}, no: []string{"https://localhost:5173", "http://localhost.evil.org:5173", "http://localhost:x"}},
		"http://[::1]:*":               {yes: []string{"http://[::1]:5173", "http://[::1]"}},
		"https://*.example.com:8443":   {yes: []string{"https://a.example.com:8443"}, no: []string{"https://a.example.com"}},
		"https://*.EXAMPLE.com":        {yes: []string{"https://a.example.com", "https://a.b.example.com", "https://A.Example.com:443"}, no: []string{"https://example.com", "https://.example.com", "http://a.example.com", "https://a.example.com:8443", "https://a.example.com.evil.org", "https://aexample.com", "https://evil.org/.example.com", "https://evil.org#.example.com", "https://evil.org?.example.com", "https://evil.org\\.example.com", "https://evil.org@a.example.com"}},
		"https://*.example.com:*":      {yes: []string{"https://a.example.com:1"}, no: []string{"https://example.com:1"}},
		"http://*.localhost:*":         {yes: []string{"http://app.localhost:5173"}},
		"http://under_score.example:1": {yes: []string{"http://under_score.example:1"}},
	} {
		l, err := Parse([]string{"https://other.example", entry})
		if err != nil {
			t.Error(err)
		}
		for _, o := range test.yes {
			if !l.Match(o) {
				t.Errorf("%s does not match %s", entry, o)
			}
		}
		for _, o := range test.no {
			if l.Match(o) {
				t.Errorf("%s matches %s", entry, o)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, entry := range []string{
		"", " ", "example.com", "*.example.com", "null", "https://", "://a.example", "https://*", "https://*.", "https://*x.example.com",
		"https://a.*.example.com", "https://*.*.example.com", "https://**.example.com", "https://a.example/path", "https://a.example//",
		"https://a.example?x", "https://a.example#x", "https://u:p@a.example", "https://a.example:x", "https://a.example:0", "https://a.example:65536",
		"https://a.example:1:2", "https://a..example", "https://.a.example", "https://a example", " https://a.example", "https://a.example ",
		"https://münchen.example", "https://a%2eexample", "http://127.1", "http://1.2.3.256", "http://*.2.3.4", "http://[::1", "http://[1.2.3.4]", "http://[fe80::1%25eth0]",
		"http://[::1]x", "wss://a.example", "ws://a.example", "file:///x", "file://", "data://x", "ht tp://a.example", "https:/a.example", "https://a.example,https://b.example",
	} {
		if _, err := Parse([]string{"*", entry}); err == nil || !strings.HasPrefix(err.Error(), `"`) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// A user who lists null has a page that was opened from a file; the error says so.
func TestParseTellsWhatNullIs(t *testing.T) {
	if _, err := Parse([]string{"null"}); err == nil || !strings.Contains(err.Error(), "opened from a file") {
		t.Error(err)
	}
}

func TestAny(t *testing.T) {
	l, err := Parse([]string{"https://a.example", "*"})
	if err != nil || !l.Any() || l.Empty() || l.Match("https://b.example") || !l.Match("https://a.example") {
		t.Error(l, err)
	}
	if l := (List{}); l.Any() || !l.Empty() || l.Match("https://a.example") {
		t.Error("the zero list is not empty")
	}
}

func TestSame(t *testing.T) {
	for _, test := range []struct {
		origin, host string
		secure, want bool
	}{
		{"https://a.example", "a.example", false, true},
		{"https://a.example", "A.Example:443", false, true},
		{"https://a.example", "a.example", true, true},
		{"http://a.example", "a.example", false, true},
		{"http://a.example", "a.example:80", false, true},
		{"http://a.example", "a.example", true, false}, // another origin, which anybody on the way can forge
		{"http://localhost:3000", "localhost:3000", false, true},
		{"http://[::1]:3000", "[0::1]:3000", false, true},
		{"http://localhost:5173", "localhost:3000", false, false},
		{"http://localhost", "localhost:3000", false, false},
		{"https://a.example", "a.example:80", false, false},
		{"https://a.example", "10.0.0.7:3000", false, false},
		{"https://a.example.evil.org", "a.example", false, false},
		{"null", "null", false, false},
		{"https://", "", false, false},
		{"capacitor://localhost", "localhost", false, false},
		{"https://a.example/", "a.example", false, false},
	} {
		if got := Same(test.origin, test.host, test.secure); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestHosts(t *testing.T) {
	h, err := ParseHosts([]string{"Chat.example.com", "admin.example.com:8443", "*.apps.example.com", "127.0.0.1", "[::1]"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"chat.example.com": true, "CHAT.example.com:3000": true, "admin.example.com:8443": true, "x.y.apps.example.com": true,
		"127.0.0.1:3000": true, "[::1]:3000": true, "[0::1]": true,
		"admin.example.com": false, "apps.example.com": false, "evil.org": false, "chat.example.com.evil.org": false, "": false, "chat.example.com@evil.org": false,
	} {
		if got := h.Match(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	for _, entry := range []string{"", "*", "https://a.example", "a.example/", "a b", "::1", "a.example:x", "a.*", "a.example:0"} {
		if _, err := ParseHosts([]string{entry}); err == nil || !strings.HasPrefix(err.Error(), `"`) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}
