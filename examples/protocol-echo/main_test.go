package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/realtime-ai/realtime-message-go/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestServes walks once through what the suites look at in full.
func TestServes(t *testing.T) {
	base, stop, wait := exampletest.Start(t, run)
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	request := func(method, path, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	for _, tc := range []struct{ path, send, want string }{
		{"/engine.io/", "4hello", "4hello"},
		{"/socket.io/", `40{"token":1}`, `42["auth",{"token":1}]`},
		{"/socket.io/", "40/custom,", `42/custom,["auth",{}]`},
		{"/engine.io", "4hello", "4hello"},
		{"/socket.io", `40{"token":1}`, `42["auth",{"token":1}]`},
	} {
		url := tc.path + "?EIO=4&transport=polling"
		hello := request("GET", url, "")
		if !strings.Contains(hello, `"pingInterval":300,"pingTimeout":200,"maxPayload":1000000`) {
			t.Fatalf("%s opens with %s", tc.path, hello)
		}
		url += "&sid=" + strings.Split(hello, `"`)[3]
		request("POST", url, tc.send)
		got := ""
		for range 3 { // the packets may come one by one
			if got += request("GET", url, ""); strings.Contains(got, tc.want) {
				break
			}
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q was answered with %q, want %q", tc.path, tc.send, got, tc.want)
		}
		request("POST", url, "1") // or the end would wait for the next poll
		request("GET", url, "")
	}
	stop()
	wait()
}
