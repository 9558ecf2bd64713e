package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCORS(t *testing.T) {
	const page, other = "https://app.example", "https://evil.example"
	for _, test := range []struct {
		name    string
		allowed []string
		origin  string
		status  int
		header  string
	}{
		{"none set", nil, other, 403, ""},
		{"none set, no origin", nil, "", 200, ""},
		{"none set, same host", nil, "https://TEST:443", 200, ""},
		{"none set, other port", nil, "http://test:8080", 403, ""},
		{"none set, null", nil, "null", 403, ""},
		{"no origin", []string{page}, "", 200, ""},
		{"listed", []string{page}, page, 200, page},
		{"not listed", []string{page}, other, 403, ""},
		{"same host", []string{page}, "http://test", 200, ""},
		{"null", []string{page}, "null", 403, ""},
		{"subdomain", []string{"https://*.app.example"}, "https://a.b.app.example", 200, "https://a.b.app.example"},
		{"not a subdomain", []string{"https://*.app.example"}, page + ".evil.example", 403, ""},
		{"as browsers send it", []string{"HTTPS://App.Example:443/"}, page, 200, page},
		{"any", []string{"*"}, other, 200, "*"},
		{"any, and listed", []string{"*", page}, page, 200, page},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newTCPEnv(t, Config{AllowedOrigins: test.allowed})
			var header []string
			if test.origin != "" {
				header = []string{"Origin", test.origin}
			}
			check := func(what string, res *http.Response, status int) {
				t.Helper()
				credentials := ""
				if test.header != "" && test.header != "*" {
					credentials = "true"
				}
				if res.StatusCode != status || res.Header.Get("Access-Control-Allow-Origin") != test.header ||
					res.Header.Get("Access-Control-Allow-Credentials") != credentials {
					t.Errorf("%s: %s %v", what, res.Status, res.Header)
				}
			}
			res, _ := e.request("GET", "EIO=4&transport=polling", "", header...)
			check("polling", res, test.status)
			socket := 101
			if test.status != 200 {
				socket = test.status
			}
			check("WebSocket", e.dialWS("EIO=4&transport=websocket", header...).res, socket)
			res, _ = e.request("OPTIONS", "EIO=4&transport=polling", "", append(header, "Access-Control-Request-Headers", "x-own")...)
			check("preflight", res, 204)
			if allows := res.Header.Get("Access-Control-Allow-Headers") == "x-own"; allows != (test.header != "") {
				t.Errorf("preflight: %v", res.Header)
			}
		})
	}
}

// What says who the user of a browser is does not come from a page that only "*" allows.
func TestAnyOriginHasNoCredentials(t *testing.T) {
	const page, other = "https://app.example", "https://evil.example"
	e := newTCPEnv(t, Config{AllowedOrigins: []string{"*", page}})
	for _, test := range []struct {
		origin                string
		cookie, polled, onWeb bool
	}{
		{other, false, true, false},
		{"null", false, true, false},
		{page, true, true, true},
		{"http://test", true, true, true},
	} {
		header := []string{"Origin", test.origin, "Cookie", "a=b", "Authorization", "Basic eA=="}
		check := func(transport string, authorization bool) {
			t.Helper()
			h := e.session().s.Request().Header
			if got := h.Get("Cookie") != ""; got != test.cookie {
				t.Errorf("%s, %s: Cookie %v", transport, test.origin, got)
			}
			if got := h.Get("Authorization") != ""; got != authorization {
				t.Errorf("%s, %s: Authorization %v", transport, test.origin, got)
			}
		}
		e.request("GET", "EIO=4&transport=polling", "", header...)
		check("polling", test.polled)
		e.dialWS("EIO=4&transport=websocket", header...)
		check("WebSocket", test.onWeb)
	}
}

func TestAllowedHosts(t *testing.T) {
	for host, status := range map[string]int{"test": 200, "other": 403} {
		e := newTCPEnv(t, Config{AllowedHosts: []string{host}})
		if res, _ := e.request("GET", "EIO=4&transport=polling", "", "Origin", "http://test"); res.StatusCode != status {
			t.Errorf("%s, polling: %s", host, res.Status)
		}
		if status == 200 {
			status = 101
		}
		if res := e.dialWS("EIO=4&transport=websocket").res; res.StatusCode != status {
			t.Errorf("%s, WebSocket: %s", host, res.Status)
		}
	}
}

// Each origin that is refused is logged once, with the host that it was compared with, in bounded memory.
func TestRefusedOriginsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		cfg := logged(&log)
		cfg.AllowedOrigins = []string{"https://app.example"}
		e := newPipeEnv(t, cfg)
		refuse := func(origin string) {
			if res, _ := e.request("GET", "EIO=4&transport=polling", "", "Origin", origin); res.StatusCode != 403 {
				t.Errorf("%s: %s", origin, res.Status)
			}
		}
		for range 3 {
			refuse("https://evil.example")
		}
		e.dialWS("EIO=4&transport=websocket", "Origin", "https://evil.example")
		e.request("OPTIONS", "EIO=4&transport=polling", "", "Origin", "https://evil.example")
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "origin=https://evil.example asked_host=test") {
			t.Errorf("logged %q", text)
		}
		for i := range 2 * maxRefusals {
			refuse(fmt.Sprintf("https://evil%d.example/%s", i, strings.Repeat("x", 1000)))
		}
		if n := strings.Count(log.String(), "\n"); n != maxRefusals+1 || log.Len() > (maxRefusals+1)*(maxRefused+200) {
			t.Errorf("%d lines, %d bytes", n, log.Len())
		}
		if !strings.Contains(log.String(), "others are not logged for now") {
			t.Error("that nothing more is logged is not said")
		}
		time.Sleep(forgetPeriod)
		refuse("https://late.example")
		if !strings.Contains(log.String(), "late.example") {
			t.Error("nothing is logged any more")
		}
	})
}
