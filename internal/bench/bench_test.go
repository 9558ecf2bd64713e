package bench

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	good := Config{TargetURL: "http://127.0.0.1:3000", Scenario: "patch", Duration: time.Second}
	got, s, err := good.withDefaults()
	if err != nil || s.name != "patch" || got.Connections != 200 || got.RoomSize != 2 {
		t.Fatalf("got %+v, %s, %v", got, s.name, err)
	}
	for want, spoil := range map[string]func(*Config){
		"scenario":    func(c *Config) { c.Scenario = "storm" },
		"target URL":  func(c *Config) { c.TargetURL = "127.0.0.1:3000" },
		"connections": func(c *Config) { c.Connections = 3 },
		"below 0":     func(c *Config) { c.RoomSize = -1 },
		"duration":    func(c *Config) { c.Duration = 0 },
	} {
		c := good
		spoil(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestConfigSizes(t *testing.T) {
	type sizes struct{ connections, rooms, size int }
	for given, want := range map[sizes]sizes{
		{}:           {200, 100, 2},
		{50, 0, 0}:   {50, 25, 2},
		{0, 7, 0}:    {14, 7, 2},
		{0, 0, 10}:   {200, 20, 10},
		{60, 20, 0}:  {60, 20, 3},
		{0, 3, 5}:    {15, 3, 5},
		{15, 0, 5}:   {15, 3, 5},
		{15, 3, 5}:   {15, 3, 5},
		{15, 5, 5}:   {},
		{15, 30, 0}:  {},
		{-2, 0, 0}:   {},
		{0, -1, -15}: {},
		{7, 0, 2}:    {},
		{0, 0, 1000}: {},
	} {
		c := Config{
			TargetURL: "http://h", Scenario: "patch", Duration: time.Second,
			Connections: given.connections, Rooms: given.rooms, RoomSize: given.size,
		}
		c, _, err := c.withDefaults()
		if got := (sizes{c.Connections, c.Rooms, c.RoomSize}); err == nil && got != want || (err == nil) != (want != sizes{}) {
			t.Errorf("%v: got %v, %v", given, got, err)
		}
	}
}

func TestRunWithoutServer(t *testing.T) {
	_, err := Run(t.Context(), Config{TargetURL: "http://127.0.0.1:1", Scenario: "heartbeat", Duration: time.Second})
	if err == nil || !strings.Contains(err.Error(), "scenario heartbeat: member ") {
		t.Errorf("error %v", err)
	}
}
