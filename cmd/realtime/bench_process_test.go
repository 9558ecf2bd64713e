//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/bench/benchtest"
)

// A short load on a server of ours goes well with each protocol and transport.
func TestBench(t *testing.T) {
	server := start(t, nil, "dev")
	env := []string{"TARGET_URL=" + server.url(), "ROOM_COUNT=3", "MAX_REQUESTS=300", "ACK_TIMEOUT_MS=30000", "TEST_DURATION_MS=60000"}
	for name, args := range map[string][]string{
		"patches":      {"patch"},
		"polling":      {"patch", "--transport=polling"},
		"base":         {"patch", "--base-protocol"},
		"fixed rate":   {"presence", "--ramp-up-ms=100", "--heartbeats-per-sec=50"},
		"join storm":   {"join-storm", "--users-per-room=20"},
		"herd":         {"reconnect-herd", "--users-per-room=4"},
		"churn":        {"churn", "--ramp-up-ms=100", "--heartbeats-per-sec=50"},
		"two entrance": {"broadcast", "--users-per-room=4", "--talkers=1", "--target-url=" + server.url() + "," + server.url() + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			page := filepath.Join(t.TempDir(), "page.html")
			p := start(t, env, append([]string{"bench", "--json", "--html=" + page}, args...)...)
			p.wantExit(0)
			var r bench.Report
			if err := json.Unmarshal([]byte(p.stdout.String()), &r); err != nil {
				t.Fatalf("%v in %s", err, p.stdout)
			}
			if r.Events.Expected == 0 || len(r.Phases) != 2 || r.Phases[1].Operations == 0 {
				t.Errorf("measured %+v", r)
			}
			if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "</html>") {
				t.Errorf("page: %v", err)
			}
			if lines := p.stderr.String(); !strings.Contains(lines, " connected | ") {
				t.Errorf("stderr: %s", lines)
			}
		})
	}
}

// What goes wrong with one event is printed, and fails the command.
func TestBenchFindsFaults(t *testing.T) {
	for want, fault := range map[string]benchtest.Fault{
		"1 events missing": benchtest.Drop, "1 duplicate events": benchtest.Duplicate, "1 events out of order": benchtest.Reorder,
	} {
		server := benchtest.Start(t, fault, 500, false)
		env := []string{"TARGET_URL=" + server.URL, "ROOM_COUNT=4", "MAX_REQUESTS=400", "TEST_DURATION_MS=60000"}
		p := start(t, env, "bench", "patch")
		p.wantExit(1)
		if text := p.stderr.String(); !strings.Contains(text, want) {
			t.Errorf("%s: stderr %s", want, text)
		}
		if text := p.stdout.String(); !strings.Contains(text, "events expected / received") {
			t.Errorf("%s: no table: %s", want, text)
		}
	}
}

// A signal ends the load with a summary of what was measured until then.
func TestBenchInterrupted(t *testing.T) {
	server := benchtest.Start(t, benchtest.None, 0, false)
	p := start(t, []string{"TARGET_URL=" + server.URL, "REPORT_INTERVAL_MS=100"}, "bench", "presence", "--ramp-up-ms=0")
	p.stderr.await(t, "| load |")
	p.signal(syscall.SIGINT)
	p.wantExit(0)
	if text := p.stdout.String(); !strings.Contains(text, "interrupted") || !strings.Contains(text, "heartbeats") {
		t.Errorf("stdout: %s", text)
	}
}
