// Package bench puts a bounded load on a presence server and measures what it
// costs: CPU time of the server and of Redis per operation, latency, memory
// per connection, and whether every event arrived.
//
// A scenario decides what the clients do. All of them first fill rooms with
// members (fill.go); closed loops of requests follow (loop.go). A client is
// one goroutine that owns one WebSocket (package client) and parses as little of
// each packet as it has to (wire.go).
package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config says what load to run. Where Connections, Rooms and RoomSize leave a
// question open, the scenario's own size answers it.
type Config struct {
	// TargetURL is the server's, such as http://127.0.0.1:3000.
	TargetURL string
	// Scenario is one of Scenarios.
	Scenario string
	// Connections is how many clients there are, Rooms how many rooms they
	// share, RoomSize how many are in each. Two of them give the third.
	Connections, Rooms, RoomSize int
	// Duration is how long requests are measured, or how long idle
	// connections are held. Connecting comes on top of it.
	Duration time.Duration
	// ServerPID and RedisPID are processes on this machine whose CPU time and
	// memory are read (Linux only); 0 for none.
	ServerPID, RedisPID int
}

type scenario struct {
	name                  string
	connections, roomSize int
	run                   func(ctx context.Context, r *run) error
}

var scenarios = [...]scenario{
	{"heartbeat", 200, 2, runHeartbeat},
	{"patch", 200, 2, runPatch},
	{"connect-join", 4000, 2, runConnectJoin},
	{"delivery", 100, 100, runDelivery},
	{"idle", 8000, 10, runIdle},
}

// Scenarios lists the names that Config.Scenario may have.
func Scenarios() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

func (c Config) withDefaults() (Config, scenario, error) {
	var chosen scenario
	for _, s := range scenarios {
		if s.name == c.Scenario {
			chosen = s
		}
	}
	if chosen.run == nil {
		return c, chosen, fmt.Errorf("no scenario %q; there are %q", c.Scenario, Scenarios())
	}
	if u, err := url.Parse(c.TargetURL); err != nil || u.Scheme != "http" || u.Host == "" {
		return c, chosen, fmt.Errorf("target URL %q must be of the form http://host:port", c.TargetURL)
	}
	if err := c.fillSizes(chosen); err != nil {
		return c, chosen, err
	}
	if c.Duration <= 0 {
		return c, chosen, errors.New("the duration must be above 0")
	}
	return c, chosen, nil
}

// fillSizes works out how many connections share how many rooms.
func (c *Config) fillSizes(own scenario) error {
	if c.Connections < 0 || c.Rooms < 0 || c.RoomSize < 0 {
		return errors.New("connections, rooms and their size must not be below 0")
	}
	if c.RoomSize == 0 && c.Rooms > 0 && c.Connections > 0 {
		c.RoomSize = c.Connections / c.Rooms
	}
	if c.RoomSize == 0 {
		c.RoomSize = own.roomSize
	}
	if c.Connections == 0 && c.Rooms == 0 {
		c.Connections = own.connections
	}
	if c.Connections == 0 {
		c.Connections = c.Rooms * c.RoomSize
	}
	if c.Rooms == 0 {
		c.Rooms = c.Connections / c.RoomSize
	}
	if c.Connections < 1 || c.Connections != c.Rooms*c.RoomSize {
		return fmt.Errorf("%d connections do not fill %d rooms of %d", c.Connections, c.Rooms, c.RoomSize)
	}
	return nil
}

// Run carries out one scenario and blocks until it is over or ctx is done,
// which closes every connection. The report is of what was measured until
// then; refused requests and missing events are in it (see Report.Err). The
// error is of a load that could not be put on at all.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg, s, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := newRun(cfg)
	defer r.close()
	if err := s.run(ctx, r); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", s.name, err)
	}
	return &r.report, nil
}
