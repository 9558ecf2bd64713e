package bench

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config says what load to run. Workload returns one for each name; zero
// values mean what the fields say.
type Config struct {
	// Workload is the name that the report carries.
	Workload string
	// Targets are the servers, such as http://127.0.0.1:3000. The users of a
	// room take turns on them.
	Targets []string
	// Transport is websocket (also if empty) or polling.
	Transport string
	// Rooms times UsersPerRoom is the number of connections.
	Rooms, UsersPerRoom int
	// RampUp is the time over which they connect and join, evenly; 0 means as
	// fast as it goes, Concurrency at a time.
	RampUp time.Duration
	// Concurrency bounds how many connect, join or come back at once.
	Concurrency int
	// Duration is how long requests go on after the ramp-up; 0 for not at all.
	// Workloads that do one thing once (join-storm, reconnect-herd) ignore it.
	Duration time.Duration
	// HeartbeatsPerSec is how often each talker sends, at a fixed rate: it does
	// not wait for answers. ClosedLoop sends the next request when an answer
	// comes instead, Window of them under way.
	HeartbeatsPerSec float64
	ClosedLoop       bool
	Window           int
	// Talkers is how many users of each room send; 0 for all.
	Talkers int
	// PatchShare is the part of the heartbeats, 0 to 1, that patch the state.
	PatchShare float64
	// StateBytes is the size of each user's state, at least about 40.
	StateBytes int
	// ChurnPerSec is how many users leave, and how many join, each second, half
	// of them on the same connection and half on a new one.
	ChurnPerSec float64
	// Requests ends the load early, after so many; 0 for never.
	Requests int64
	// AckTimeout is when a request without an answer is an error, and how long
	// the end waits for events that do not come.
	AckTimeout time.Duration
	// ReportInterval is how often OnInterval is called, and how fine the
	// intervals of the report are.
	ReportInterval time.Duration
	// BaseProtocol uses only the base protocol, for servers that know no more: no seq,
	// prev, grace or resume. A counter in each user's state then tells which events
	// are missing.
	BaseProtocol bool
	// Deltas asks for several changes in one message, and for what changed in a state instead of
	// the state. A message counts as one event; that none is missing shows by the last one.
	Deltas bool
	// Limit, if above 0, is how many members a join asks for at most. The others are read in
	// pages, to the end.
	Limit int
	// ServerPIDs and RedisPIDs are processes on this machine whose CPU time and
	// memory are read (Linux only).
	ServerPIDs, RedisPIDs []int
	// OnInterval, if not nil, is called after each interval, never twice at
	// once.
	OnInterval func(Interval)
	// OnProgress, if not nil, is called a few times each second.
	OnProgress func(Progress)

	once func(*run) // what is done instead of requests for a Duration
	// joinLater leaves the joins of the ramp-up to once.
	joinLater bool
	// graceMs is what members ask for, in milliseconds.
	graceMs int
}

type workload struct {
	name, about string
	change      func(*Config)
}

var workloads = [...]workload{
	{"presence", "users of small rooms heartbeat at a fixed rate, some with a patch", func(*Config) {}},
	{"join-storm", "everybody connects, then all join one room", func(c *Config) {
		c.Rooms, c.UsersPerRoom, c.RampUp = 1, 1000, 0
		c.once, c.joinLater = joinStorm, true
	}},
	{"broadcast", "some of a large room patch in a closed loop", func(c *Config) {
		c.Rooms, c.UsersPerRoom, c.Talkers = 1, 100, 25
		c.closed(4, 1)
	}},
	{"idle", "many connections join and say nothing", func(c *Config) {
		c.Rooms, c.UsersPerRoom, c.RampUp, c.Duration = 1500, 10, 0, 10*time.Second
		c.HeartbeatsPerSec = 0
	}},
	{"churn", "users leave and come back all the time", func(c *Config) {
		c.UsersPerRoom, c.HeartbeatsPerSec, c.ChurnPerSec = 10, 1, 100
	}},
	{"reconnect-herd", "everybody loses the connection at once and resumes", func(c *Config) {
		c.Rooms, c.UsersPerRoom, c.RampUp, c.HeartbeatsPerSec = 400, 10, 0, 0
		c.once, c.graceMs = reconnectHerd, 60_000
	}},
	{"heartbeat", "heartbeats without a patch in a closed loop", func(c *Config) { c.closed(1, 0) }},
	{"patch", "heartbeats that all patch in a closed loop", func(c *Config) { c.closed(1, 1) }},
	{"connect-join", "everybody connects and joins as fast as it goes", func(c *Config) {
		c.Rooms, c.RampUp, c.Duration, c.HeartbeatsPerSec = 2000, 0, 0, 0
	}},
}

func (c *Config) closed(window int, patches float64) {
	c.ClosedLoop, c.Window, c.PatchShare = true, window, patches
	c.RampUp, c.Duration = 0, 10*time.Second
}

// Workload returns the settings of a named workload, for changes before Run.
// The names are those of Workloads.
func Workload(name string) (Config, error) {
	c := Config{
		Workload:         name,
		Targets:          []string{"http://localhost:3000"},
		Transport:        transportWebSocket,
		Rooms:            100,
		UsersPerRoom:     2,
		HeartbeatsPerSec: 10,
		Window:           1,
		PatchShare:       0.1,
		StateBytes:       64,
		Concurrency:      64,
		Duration:         5 * time.Minute,
		RampUp:           time.Minute,
		ReportInterval:   5 * time.Second,
		AckTimeout:       2 * time.Second,
	}
	for _, w := range workloads {
		if w.name == name {
			w.change(&c)
			return c, nil
		}
	}
	return c, fmt.Errorf("no workload %q; there are %q", name, names())
}

func names() []string {
	list := make([]string, len(workloads))
	for i, w := range workloads {
		list[i] = w.name
	}
	return list
}

// Workloads returns the names that Workload knows, each with what it does.
func Workloads() [][2]string {
	list := make([][2]string, len(workloads))
	for i, w := range workloads {
		list[i] = [2]string{w.name, w.about}
	}
	return list
}

// connections is how many users there are.
func (c *Config) connections() int { return c.Rooms * c.UsersPerRoom }

// talkers is how many users of each room send.
func (c *Config) talkers() int {
	if c.Talkers == 0 {
		return c.UsersPerRoom
	}
	return c.Talkers
}

// paced says that requests go out at a fixed rate, from the first join on.
func (c *Config) paced() bool {
	return !c.ClosedLoop && c.HeartbeatsPerSec > 0 && c.once == nil && c.Duration > 0
}

func (c *Config) validate() error {
	const mostConnections = 1_000_000
	for _, target := range c.Targets {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("target URL %q must be of the form http://host:port", target)
		}
	}
	for _, check := range []struct {
		bad  bool
		text string
	}{
		{len(c.Targets) == 0, "there is no target URL"},
		{c.Transport != transportWebSocket && c.Transport != transportPolling, "the transport must be websocket or polling"},
		{c.Rooms < 1 || c.UsersPerRoom < 1 || c.Rooms > mostConnections/max(c.UsersPerRoom, 1), "rooms and users per room must be 1 or more, and make at most a million connections"},
		{c.Concurrency < 1, "the concurrency must be 1 or more"},
		{c.RampUp < 0 || c.Duration < 0, "times must not be below 0"},
		{!(c.HeartbeatsPerSec >= 0 && c.HeartbeatsPerSec <= 1e6), "heartbeats per second must be from 0 to a million"},
		{!(c.ChurnPerSec >= 0 && c.ChurnPerSec <= 1e6), "the churn per second must be from 0 to a million"},
		{!(c.PatchShare >= 0 && c.PatchShare <= 1), "the share of patches must be from 0 to 1"},
		{c.Talkers < 0 || c.Talkers > c.UsersPerRoom, "there must not be more talkers than users per room"},
		{c.ClosedLoop && c.Window < 1, "the window must be 1 or more"},
		{c.StateBytes < 0 || c.Requests < 0, "sizes must not be below 0"},
		{c.Limit < 0 || c.Limit > 1000, "the limit must be from 0 to 1000"},
		{c.BaseProtocol && (c.Deltas || c.Limit > 0), "the base protocol has neither deltas nor a limit"},
		{c.AckTimeout <= 0 || c.ReportInterval <= 0, "the ack timeout and the report interval must be above 0"},
		{c.ChurnPerSec > 0 && c.UsersPerRoom < 2, "churn needs 2 users per room: the first stays and watches"},
		{c.ChurnPerSec > 0 && c.ClosedLoop, "churn needs a fixed rate, not a closed loop"},
		{c.Transport == transportPolling && (c.ChurnPerSec > 0 || c.graceMs > 0), "connections that end by themselves need the websocket transport"},
	} {
		if check.bad {
			return errors.New(check.text)
		}
	}
	return nil
}
