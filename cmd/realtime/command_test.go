//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/internal/wiretest"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestDev(t *testing.T) {
	p := start(t, nil, "dev")
	url := p.url()
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ready\n", "/": "<title>", "/page.js": "presence:join", "/style.css": ":root",
	} {
		if code, body := get(t, url+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	if code, _ := get(t, url+"/nothing"); code != http.StatusNotFound {
		t.Errorf("/nothing: %d", code)
	}

	one, two := dial(t, url), dial(t, url)
	one.join(`{"roomId":"r","userId":"one"}`)
	two.join(`{"roomId":"r","userId":"two"}`)
	two.send(`421["chat:message",{"roomId":"r","text":"hello"}]`)
	two.want(`431[{"ok":true}]`)
	one.want(`42["chat:message",{"roomId":"r","text":"hello"}]`)

	p.signal(syscall.SIGTERM)
	p.wantExit(0)
	if out := p.stdout.String(); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "realtime dev: http://127.0.0.1:") {
		t.Errorf("stdout is %q, want one line", out)
	}
}

// What the page may do, and that browsers may keep it in their back/forward cache.
func TestDevPage(t *testing.T) {
	url := start(t, nil, "dev").url()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	policy := response.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the content security policy lacks %s: %s", part, policy)
		}
	}
	if got := response.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control: %s", got)
	}
	for _, inline := range []string{"<style", " style=", "<script>", " onclick="} {
		if strings.Contains(string(body), inline) {
			t.Errorf("the page has %s, which its policy forbids", inline)
		}
	}
}

func TestDemoPort(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	taken := start(t, []string{fmt.Sprintf("DEMO_PORT=%d", port)}, "dev")
	taken.wantExit(1)
	if text := taken.stderr.String(); !strings.Contains(text, "cannot listen (HOST, DEMO_PORT)") {
		t.Errorf("stderr: %s", text)
	}
	_ = free.Close()

	p := start(t, nil, "dev", "--demo-port", fmt.Sprint(port))
	demo := fmt.Sprintf("http://127.0.0.1:%d", port)
	p.stdout.await(t, demo)
	if code, body := get(t, demo); code != http.StatusOK || !strings.Contains(body, "<title>") {
		t.Errorf("%s: %d %q", demo, code, body)
	}
	here, there := dial(t, p.url()), dial(t, demo)
	here.join(`{"roomId":"r","userId":"here"}`)
	there.join(`{"roomId":"r","userId":"there"}`)
	if join := here.event("join"); join["userId"] != "here" {
		t.Errorf("first join: %v", join)
	}
	if join := here.event("join"); join["userId"] != "there" {
		t.Errorf("second join: %v", join)
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(0)
}

// Plain members leave with reason shutdown, resumable ones stay and can resume on
// another server, and connections close with a code that makes clients reconnect.
func TestDrain(t *testing.T) {
	redis := redistest.Start(t)
	env := []string{"REDIS_URL=" + redis.URL(), "DRAIN_MS=200"}
	p, other := start(t, env, "serve"), start(t, env, "serve")
	watcher := dial(t, other.url())
	watcher.join(`{"roomId":"r","userId":"watcher"}`)
	resumable, plain := dial(t, p.url()), dial(t, p.url())
	token := resumable.join(`{"roomId":"r","userId":"resumable","graceMs":60000}`).Self.Resume
	plain.join(`{"roomId":"r","userId":"plain"}`)

	p.signal(syscall.SIGTERM)
	if leave := watcher.event("leave"); leave["userId"] != "plain" || leave["reason"] != "shutdown" {
		t.Errorf("first leave: %v", leave)
	}
	for _, c := range []*client{resumable, plain} {
		if code := wiretest.CloseCode(t, c.conn); code != ws.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
	}
	p.wantExit(0)
	again := dial(t, other.url())
	if ack := again.join(`{"roomId":"r","userId":"resumable","graceMs":60000,"resume":"` + token + `"}`); !ack.Resumed {
		t.Error("the other server did not resume the member")
	}

	other.signal(syscall.SIGINT)
	other.wantExit(0)
	if out := p.stdout.String(); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "realtime serve: http://127.0.0.1:") {
		t.Errorf("stdout is %q, want one line", out)
	}
}

// While connections close one after the other, those whose turn has not come
// work, new ones are refused, and a second signal cuts it short.
func TestSecondSignalDuringTheDrain(t *testing.T) {
	p := start(t, []string{"DRAIN_MS=600000"}, "dev")
	clients := []*client{dial(t, p.url()), dial(t, p.url()), dial(t, p.url())}
	for _, c := range clients {
		c.join(`{"roomId":"r","userId":"u"}`)
	}
	p.signal(syscall.SIGTERM)
	open := slices.DeleteFunc(clients, func(c *client) bool { return !c.seesLeave() })
	if len(open) != 2 {
		t.Errorf("%d of 3 connections are open, want all but the first", len(open))
	}
	for _, c := range open {
		c.send(`421["presence:heartbeat",{"patchState":{"x":1}}]`)
		c.want(`431[{"ok":true,"changed":true`)
		c.send(`422["presence:join",{"roomId":"s","userId":"u"}]`)
		if ack := c.want(`432[`); !strings.Contains(ack, `"shutting_down"`) {
			t.Errorf("join: %s", ack)
		}
	}
	if code, _ := get(t, p.url()+"/socket.io/?EIO=4&transport=polling"); code != http.StatusServiceUnavailable {
		t.Errorf("a new connection: %d", code)
	}
	p.signalUntilExit(syscall.SIGTERM)
	p.wantExit(1)
}

func TestSecondSignal(t *testing.T) {
	p := start(t, []string{"DRAIN_MS=600000"}, "dev")
	for range 2 {
		dial(t, p.url()).join(`{"roomId":"r","userId":"u"}`)
	}
	p.signal(syscall.SIGTERM)
	p.stderr.await(t, "draining")
	p.signalUntilExit(syscall.SIGTERM)
	p.wantExit(1)
	if text := p.stderr.String(); !strings.Contains(text, "second signal, without") {
		t.Errorf("stderr: %s", text)
	}
}

func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port

	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"variable":        {[]string{"PRESENCE_TTL_MS=soon"}, []string{"dev"}, "PRESENCE_TTL_MS: must be"},
		"flag":            {nil, []string{"dev", "--port=http"}, "--port: must be"},
		"unknown":         {[]string{"PRESENCE_TTL=1"}, []string{"dev"}, "PRESENCE_TTL: no such setting"},
		"port taken":      {nil, []string{"dev", "--port", fmt.Sprint(port)}, "cannot listen (HOST, PORT)"},
		"no Redis":        {[]string{"REDIS_URL=redis://u:hunter2@127.0.0.1:1"}, []string{"serve"}, "Redis at redis://redacted@127.0.0.1:1 (REDIS_URL)"},
		"bad Redis URL":   {[]string{"REDIS_URL=http://u:hunter2@h"}, []string{"serve"}, "REDIS_URL: must be"},
		"no command":      {nil, nil, "expected one of"},
		"unknown command": {nil, []string{"fly"}, "unexpected argument fly"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.env, c.args...)
			p.wantExit(1)
			if text := p.stderr.String(); !strings.Contains(text, c.want) || strings.Contains(text, "hunter2") {
				t.Errorf("stderr: %s", text)
			}
			if out := p.stdout.String(); out != "" {
				t.Errorf("stdout: %s", out)
			}
		})
	}
}

// A Redis that takes connections and never answers must not hang the start.
func TestSilentRedis(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	p := start(t, []string{"REDIS_URL=redis://" + silent.Addr().String()}, "serve")
	p.wantExit(1)
	if text := p.stderr.String(); !strings.Contains(text, "(REDIS_URL)") {
		t.Errorf("stderr: %s", text)
	}
}

func TestDotEnv(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("PORT=http\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var out, errs strings.Builder
	if code := run([]string{"dev"}, nil, &out, &errs); code != 1 || !strings.Contains(errs.String(), "PORT: must be") {
		t.Errorf("code %d, %q", code, errs.String())
	}
}
