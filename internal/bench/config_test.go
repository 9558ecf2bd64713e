package bench

import (
	"math"
	"strings"
	"testing"
	"time"
)

// The defaults of the presence workload are documented, and a script may rely on them.
func TestPresenceDefaults(t *testing.T) {
	c, err := Workload("presence")
	if err != nil {
		t.Fatal(err)
	}
	if c.Targets[0] != "http://localhost:3000" || c.Rooms != 100 || c.UsersPerRoom != 2 || c.HeartbeatsPerSec != 10 ||
		c.Duration != 300*time.Second || c.RampUp != 60*time.Second || c.ReportInterval != 5*time.Second || c.AckTimeout != 2*time.Second {
		t.Errorf("got %+v", c)
	}
}

func TestWorkloadsAreValid(t *testing.T) {
	for _, w := range Workloads() {
		c, err := Workload(w[0])
		if err == nil {
			err = c.validate()
		}
		if err != nil || w[1] == "" {
			t.Errorf("%q: %v", w, err)
		}
	}
	if _, err := Workload("storm"); err == nil || !strings.Contains(err.Error(), "join-storm") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestValidate(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"target URL":          func(c *Config) { c.Targets = []string{"127.0.0.1:3000"} },
		"no target":           func(c *Config) { c.Targets = nil },
		"transport":           func(c *Config) { c.Transport = "pigeon" },
		"rooms and users":     func(c *Config) { c.Rooms = 0 },
		"million conn":        func(c *Config) { c.Rooms, c.UsersPerRoom = math.MaxInt, math.MaxInt },
		"concurrency":         func(c *Config) { c.Concurrency = 0 },
		"times":               func(c *Config) { c.RampUp = -1 },
		"heartbeats":          func(c *Config) { c.HeartbeatsPerSec = math.NaN() },
		"share":               func(c *Config) { c.PatchShare = 1.1 },
		"talkers":             func(c *Config) { c.Talkers = 3 },
		"window":              func(c *Config) { c.ClosedLoop, c.Window = true, 0 },
		"sizes":               func(c *Config) { c.StateBytes = -1 },
		"ack timeout":         func(c *Config) { c.AckTimeout = 0 },
		"2 users":             func(c *Config) { c.ChurnPerSec, c.UsersPerRoom = 1, 1 },
		"fixed rate":          func(c *Config) { c.ChurnPerSec, c.ClosedLoop = 1, true },
		"websocket transport": func(c *Config) { c.ChurnPerSec, c.Transport = 1, transportPolling },
	} {
		c, err := Workload("presence")
		if err != nil {
			t.Fatal(err)
		}
		spoil(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}
