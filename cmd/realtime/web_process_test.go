//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
)

// halfRequest sends the beginning of a request.
func halfRequest(t *testing.T, url, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	// A whole request after it: by its answer the server has seen the half one.
	if code, _ := get(t, url+"/readyz"); code != http.StatusOK {
		t.Fatalf("readyz: %d", code)
	}
	return conn
}

// statusOf reads the answer to what was sent on a connection.
func statusOf(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

const handshake = "/socket.io/?EIO=4&transport=polling"

// Whatever is begun and not finished is answered or dropped, and holds up no drain.
func TestUnfinishedRequestsDoNotHoldUpADrain(t *testing.T) {
	p := start(t, nil, "dev")
	_, open := get(t, p.url()+handshake)
	_, sid, _ := strings.Cut(open, `"sid":"`)
	sid = sid[:20]
	const body = " HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"
	halfRequest(t, p.url(), "POST "+handshake+"&sid="+sid+body)
	halfRequest(t, p.url(), "")
	halfRequest(t, p.url(), "GET /readyz HTTP/1.1\r\n")
	for request, want := range map[string]int{
		"POST " + handshake + "&sid=nobody": 400,
		"POST " + handshake:                 400,
		"GET /healthz":                      200,
		"GET /socket.io/socket.io.js":       200,
		"GET /socket.io/socket.io.js.map":   404,
		"POST /healthz":                     404,
		"GET /nothing":                      404,
		"POST /":                            200,
	} {
		if got := statusOf(t, halfRequest(t, p.url(), request+body)); got != want {
			t.Errorf("%s: %d, want %d", request, got, want)
		}
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(0)
	if text := p.stderr.String(); strings.Contains(text, "did not finish") {
		t.Errorf("stderr: %s", text)
	}
}

func TestLargeHeaders(t *testing.T) {
	p := start(t, nil, "dev")
	for _, size := range []int{17_000, 60_000} {
		request := "GET " + handshake + " HTTP/1.1\r\nHost: h\r\nCookie: a=" + strings.Repeat("x", size) + "\r\n\r\n"
		if got := statusOf(t, halfRequest(t, p.url(), request)); got != 431 {
			t.Errorf("%d bytes: %d", size, got)
		}
	}
}

// A path without its last slash is served like the one with it.
func TestPathWithoutSlash(t *testing.T) {
	p := start(t, nil, "dev")
	request := "GET /socket.io?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n"
	if got := statusOf(t, halfRequest(t, p.url(), request)); got != 200 {
		t.Errorf("polling: %d", got)
	}
	conn, _, _, err := ws.Dial(t.Context(), strings.Replace(p.url(), "http", "ws", 1)+"/socket.io?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// Without a list of its own dev takes the pages of this machine, at any port, and says which it refuses.
func TestDevTakesLocalPages(t *testing.T) {
	p := start(t, []string{"HOST=localhost", "ALLOWED_HOSTS=localhost,127.0.0.1"}, "dev")
	url := p.url()
	if !strings.HasPrefix(url, "http://localhost:") {
		t.Errorf("ready at %s", url)
	}
	port := url[strings.LastIndex(url, ":"):]
	for _, test := range []struct {
		page, host  string
		status      int
		credentials string
	}{
		{"http://localhost:5173", "127.0.0.1", 200, "true"},
		{"http://127.0.0.1:5173", "127.0.0.1", 200, "true"},
		{"https://localhost:5173", "127.0.0.1", 200, "true"},
		{"http://[::1]:5173", "127.0.0.1", 200, "true"},
		{"http://evil.example", "127.0.0.1", 403, ""},
		{"http://localhost.evil.example:5173", "127.0.0.1", 403, ""},
		{"http://rebound.example" + port, "rebound.example", 403, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+port+handshake, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", test.page)
		request.Host = test.host + port
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Credentials"); response.StatusCode != test.status || got != test.credentials {
			t.Errorf("%s: %s, credentials %q", test.page, response.Status, got)
		}
	}
	for _, line := range []string{"origin=http://evil.example asked_host=127.0.0.1" + port, "host=rebound.example" + port} {
		if text := p.stderr.await(t, line); !strings.Contains(text, line) {
			t.Errorf("stderr: %s", text)
		}
	}
	// No other address of this machine is listened on, but both of localhost where there are two.
	if _, err := net.Dial("tcp", "127.0.0.2"+port); err == nil {
		t.Error("listens on more than loopback's own address")
	}
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return
	}
	_ = probe.Close()
	conn, err := net.Dial("tcp", "[::1]"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// startLimited is start for a process that may open so many files.
func startLimited(t *testing.T, files int, env []string, args ...string) *process {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, files)
	return startCommand(t, env, exec.Command(shell, append([]string{"-c", script, binary}, args...)...))
}

// A server that is full answers health checks, and tells everybody else.
func TestFullServerIsHealthy(t *testing.T) {
	for name, test := range map[string]struct {
		files int
		env   []string
	}{
		"by the setting":             {1024, []string{"MAX_CONNECTIONS=20"}},
		"by its descriptors":         {64, nil},
		"with no descriptor for all": {40, []string{"MAX_CONNECTIONS=24"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := startLimited(t, test.files, test.env, "dev")
			url := p.url()
			var members []*client
			full := false
			for range 60 {
				conn, _, _, err := ws.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket")
				if err != nil {
					full = true
					break
				}
				t.Cleanup(func() { _ = conn.Close() })
				members = append(members, &client{t: t, conn: conn})
			}
			if !full || len(members) < 5 {
				t.Fatalf("%d connections, full: %v", len(members), full)
			}
			for range 100 { // send nothing
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
			}
			for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 503, handshake: 503} {
				http.DefaultClient.CloseIdleConnections()
				if code, _ := get(t, url+path); code != want {
					t.Errorf("%s: %d, want %d", path, code, want)
				}
			}
			if text := p.stderr.String(); !strings.Contains(text, "too many connections") || strings.Contains(text, "Accept error") {
				t.Errorf("stderr: %s", text)
			}
			p.signal(syscall.SIGTERM)
			p.wantExit(0)
		})
	}
}

// A limit that the process cannot keep to is refused.
func TestLimitAboveTheFiles(t *testing.T) {
	p := startLimited(t, 256, []string{"MAX_CONNECTIONS=1000"}, "dev")
	p.wantExit(1)
	if text := p.stderr.String(); !strings.Contains(text, "MAX_CONNECTIONS: must be at most 240") {
		t.Errorf("stderr: %s", text)
	}
}
