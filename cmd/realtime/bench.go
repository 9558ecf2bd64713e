package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/config"
)

// benchCmd is a workload by name and what to change of it: one that is not given
// is the workload's own. The help tells those of presence.
type benchCmd struct {
	Name     string   `arg:"" optional:"" name:"name" help:"The workload; the same as --workload."`
	Workload string   `env:"WORKLOAD" default:"presence" placeholder:"NAME" help:"What to do: presence, join-storm, broadcast, idle, churn, reconnect-herd, heartbeat, patch or connect-join (${default})."`
	Targets  []string `name:"target-url" env:"TARGET_URL" default:"http://localhost:3000" placeholder:"URL,..." help:"Servers; the users of a room take turns on them (${default})."`

	Rooms            number   `name:"room-count" env:"ROOM_COUNT" min:"1" max:"1000000" placeholder:"N" help:"How many rooms (100)."`
	UsersPerRoom     number   `env:"USERS_PER_ROOM" min:"1" max:"1000000" placeholder:"N" help:"How many users, each with a connection, in each room (2)."`
	HeartbeatsPerSec *float64 `env:"HEARTBEATS_PER_SEC" placeholder:"N" help:"Heartbeats per second of each user, at a fixed rate; 0 for none (10)."`
	Duration         number   `name:"test-duration-ms" env:"TEST_DURATION_MS" min:"0" max:"604800000" placeholder:"MS" help:"How long the load lasts, after the ramp-up (300000)."`
	RampUp           number   `name:"ramp-up-ms" env:"RAMP_UP_MS" min:"0" max:"604800000" placeholder:"MS" help:"Time over which users connect and join; 0 for as fast as it goes (60000)."`
	ReportInterval   number   `name:"report-interval-ms" env:"REPORT_INTERVAL_MS" min:"100" max:"3600000" placeholder:"MS" help:"How often to report (5000)."`
	AckTimeout       number   `name:"ack-timeout-ms" env:"ACK_TIMEOUT_MS" min:"10" max:"600000" placeholder:"MS" help:"After which a request without an answer is an error (2000)."`

	PatchShare  *float64 `env:"PATCH_SHARE" placeholder:"SHARE" help:"Part of the heartbeats that patch the state, 0 to 1 (0.1)."`
	StateBytes  number   `env:"STATE_BYTES" min:"0" max:"900000" placeholder:"BYTES" help:"Size of each user's state (64)."`
	ChurnPerSec *float64 `env:"CHURN_PER_SEC" placeholder:"N" help:"How many users leave, and how many join, each second (0)."`
	ClosedLoop  *bool    `env:"CLOSED_LOOP" help:"Send the next request when an answer comes, instead of at a fixed rate."`
	Window      number   `env:"WINDOW" min:"1" max:"1000" placeholder:"N" help:"In a closed loop: requests of a user under way (1)."`
	Talkers     number   `env:"TALKERS" min:"0" max:"1000000" placeholder:"N" help:"How many users of each room send heartbeats; 0 for all (0)."`
	Concurrency number   `env:"CONCURRENCY" min:"1" max:"100000" placeholder:"N" help:"How many connect and join at once (64)."`
	Requests    number   `name:"max-requests" env:"MAX_REQUESTS" min:"0" max:"1000000000000" placeholder:"N" help:"End the load after so many heartbeats; 0 for never (0)."`
	Transport   *string  `env:"TRANSPORT" placeholder:"NAME" help:"websocket or polling (websocket)."`
	Deltas      bool     `env:"DELTAS" help:"Ask for several changes in one message, and for what changed in a state."`
	Limit       number   `env:"LIMIT" min:"0" max:"1000" placeholder:"N" help:"Ask for so many members with a join, and read the others in pages; 0 for all with the join."`
	Base        bool     `name:"base-protocol" env:"BASE_PROTOCOL" help:"Use only the base protocol (no seq, prev, grace or resume), for servers that know no more."`

	ServerPIDs pids `name:"server-pid" env:"SERVER_PID" placeholder:"PID,..." help:"Processes of the servers, to read their CPU time and memory (Linux)."`
	RedisPIDs  pids `name:"redis-pid" env:"REDIS_PID" placeholder:"PID,..." help:"Processes of Redis, likewise."`

	JSON     bool   `name:"json" xor:"form" help:"Print the report as JSON instead of a table."`
	Benchfmt bool   `name:"benchfmt" xor:"form" help:"Print the report for benchstat instead of a table."`
	HTML     string `name:"html" placeholder:"FILE" help:"Also write the report as a page with charts."`
}

// Run puts the load on the servers and prints what it measured. Errors and
// missing events fail it. A first signal ends the load, a second the command.
func (c *benchCmd) Run(out output) error {
	for _, text := range out.warnings {
		fmt.Fprintln(out.stderr, "realtime:", text)
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(echoTime, stop) }) // the next one is not caught then
	show := newProgress(out.stderr)
	cfg.OnInterval, cfg.OnProgress = show.interval, show.progress
	report, err := bench.Run(ctx, cfg)
	show.end()
	if err != nil {
		return err
	}
	if err := errors.Join(c.write(report, out.stdout), c.writePage(report)); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return report.Err()
}

func (c *benchCmd) config() (bench.Config, error) {
	cfg, err := bench.Workload(cmp.Or(c.Name, c.Workload))
	if err != nil {
		return cfg, err
	}
	cfg.Targets = c.Targets
	cfg.BaseProtocol, cfg.Deltas = c.Base, c.Deltas
	cfg.ServerPIDs, cfg.RedisPIDs = c.ServerPIDs, c.RedisPIDs
	c.Rooms.set(&cfg.Rooms)
	c.UsersPerRoom.set(&cfg.UsersPerRoom)
	c.StateBytes.set(&cfg.StateBytes)
	c.Window.set(&cfg.Window)
	c.Talkers.set(&cfg.Talkers)
	c.Limit.set(&cfg.Limit)
	c.Concurrency.set(&cfg.Concurrency)
	c.Duration.setMillis(&cfg.Duration)
	c.RampUp.setMillis(&cfg.RampUp)
	c.ReportInterval.setMillis(&cfg.ReportInterval)
	c.AckTimeout.setMillis(&cfg.AckTimeout)
	if c.Requests.given {
		cfg.Requests = int64(c.Requests.Number)
	}
	set(&cfg.HeartbeatsPerSec, c.HeartbeatsPerSec)
	set(&cfg.PatchShare, c.PatchShare)
	set(&cfg.ChurnPerSec, c.ChurnPerSec)
	set(&cfg.ClosedLoop, c.ClosedLoop)
	set(&cfg.Transport, c.Transport)
	return cfg, nil
}

// number is a setting that knows whether it was given.
type number struct {
	config.Number
	given bool
}

// Decode implements kong.MapperValue.
func (n *number) Decode(ctx *kong.DecodeContext) error {
	n.given = true
	return n.Number.Decode(ctx)
}

func (n number) set(to *int) {
	if n.given {
		*to = int(n.Number)
	}
}

func (n number) setMillis(to *time.Duration) {
	if n.given {
		*to = n.Millis()
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *benchCmd) write(report *bench.Report, w io.Writer) error {
	switch {
	case c.JSON:
		return report.WriteJSON(w)
	case c.Benchfmt:
		return report.WriteBenchfmt(w)
	}
	return report.WriteTable(w)
}

func (c *benchCmd) writePage(report *bench.Report) error {
	if c.HTML == "" {
		return nil
	}
	file, err := os.Create(c.HTML)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteHTML(file), file.Close())
}

// progress shows how far a load is: a bar that moves on a terminal, a line for
// each interval elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	width    int // of what the bar's line holds
}

func newProgress(w io.Writer) *progress {
	file, ok := w.(*os.File)
	if !ok {
		return &progress{w: w}
	}
	info, err := file.Stat()
	return &progress{w: w, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) interval(i bench.Interval) {
	if !p.terminal {
		fmt.Fprintln(p.w, i.Line())
	}
}

func (p *progress) progress(now bench.Progress) {
	if !p.terminal {
		return
	}
	p.show(now.Bar())
}

func (p *progress) show(line string) {
	length := len([]rune(line))
	fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", max(p.width-length, 0)))
	p.width = length
}

// end takes the bar away.
func (p *progress) end() {
	if p.terminal {
		p.show("")
		fmt.Fprint(p.w, "\r")
	}
}
