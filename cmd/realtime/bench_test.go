package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/config"
)

func parseBench(t *testing.T, env config.Env, args ...string) (benchCmd, error) {
	t.Helper()
	var c cli
	_, _, err := config.Parse(&c, append([]string{"bench"}, args...), env)
	return c.Bench, err
}

// No setting of a load may get lost on its way, by variable or by flag.
func TestBenchSettings(t *testing.T) {
	want, err := bench.Workload("broadcast")
	if err != nil {
		t.Fatal(err)
	}
	want.Targets, want.Transport, want.BaseProtocol = []string{"http://a", "http://b"}, "polling", true
	want.Rooms, want.UsersPerRoom, want.StateBytes, want.Window, want.Talkers, want.Concurrency = 11, 12, 13, 14, 9, 15
	want.HeartbeatsPerSec, want.PatchShare, want.ChurnPerSec, want.ClosedLoop = 0.5, 0.25, 1.5, false
	want.Duration, want.RampUp, want.ReportInterval, want.AckTimeout = time.Second, 2*time.Second, 3*time.Second, 4*time.Second
	want.Requests, want.ServerPIDs, want.RedisPIDs = 16, []int{1, 2}, []int{3}
	env := config.Env{
		"TARGET_URL": "http://a,http://b", "TRANSPORT": "polling", "BASE_PROTOCOL": "true", "WORKLOAD": "broadcast",
		"ROOM_COUNT": "11", "USERS_PER_ROOM": "12", "STATE_BYTES": "13", "WINDOW": "14", "TALKERS": "9", "CONCURRENCY": "15",
		"HEARTBEATS_PER_SEC": "0.5", "PATCH_SHARE": "0.25", "CHURN_PER_SEC": "1.5", "CLOSED_LOOP": "false",
		"TEST_DURATION_MS": "1000", "RAMP_UP_MS": "2000", "REPORT_INTERVAL_MS": "3000", "ACK_TIMEOUT_MS": "4000",
		"MAX_REQUESTS": "16", "SERVER_PID": "1,2", "REDIS_PID": "3",
	}
	flags := []string{
		"--workload=broadcast", "--target-url=http://a,http://b", "--transport=polling", "--base-protocol",
		"--room-count=11", "--users-per-room=12", "--state-bytes=13", "--window=14", "--talkers=9", "--concurrency=15",
		"--heartbeats-per-sec=0.5", "--patch-share=0.25", "--churn-per-sec=1.5", "--closed-loop=false",
		"--test-duration-ms=1000", "--ramp-up-ms=2000", "--report-interval-ms=3000", "--ack-timeout-ms=4000",
		"--max-requests=16", "--server-pid=1,2", "--redis-pid=3",
	}
	for name, parse := range map[string]func() (benchCmd, error){
		"variables": func() (benchCmd, error) { return parseBench(t, env) },
		"flags":     func() (benchCmd, error) { return parseBench(t, nil, flags...) },
	} {
		c, err := parse()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := c.config(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

// What is not set stays as the workload has it.
func TestBenchDefaults(t *testing.T) {
	for _, w := range bench.Workloads() {
		want, err := bench.Workload(w[0])
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseBench(t, nil, w[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.config()
		if err != nil {
			t.Fatal(err)
		}
		want.ServerPIDs, want.RedisPIDs = got.ServerPIDs, got.RedisPIDs // none, whether nil or empty
		// What a workload does once is a function, which cannot be compared.
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b || len(got.ServerPIDs) > 0 {
			t.Errorf("%s: got %s\nwant %s", w[0], a, b)
		}
	}
	if c, err := parseBench(t, nil); err != nil || c.Workload != "presence" || c.Name != "" {
		t.Errorf("without a name: %+v, %v", c, err)
	}
}

func TestBenchRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"--room-count: must be":  {"--room-count=0"},
		"--json and --benchfmt ": {"--json", "--benchfmt"},
	} {
		if _, err := parseBench(t, nil, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v", args, err)
		}
	}
	if _, err := parseBench(t, config.Env{"ACK_TIMEOUT_MS": "soon"}); err == nil || !strings.Contains(err.Error(), "ACK_TIMEOUT_MS: must be") {
		t.Errorf("error %v", err)
	}
	c, err := parseBench(t, nil, "storm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.config(); err == nil {
		t.Error("an unknown workload was accepted")
	}
}
