package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
)

type benchCmd struct {
	TargetURL    string        `name:"target-url" env:"TARGET_URL" default:"http://127.0.0.1:3000" placeholder:"URL" help:"Server to put the load on (${default})."`
	Scenario     string        `env:"SCENARIO" default:"heartbeat" placeholder:"NAME" help:"heartbeat, patch, connect-join, delivery or idle (${default})."`
	Connections  int           `env:"CONNECTIONS" default:"0" placeholder:"N" help:"How many clients (default: the scenario's own)."`
	Rooms        int           `env:"ROOM_COUNT" default:"0" placeholder:"N" help:"How many rooms they share (default: the scenario's own)."`
	UsersPerRoom int           `env:"USERS_PER_ROOM" default:"0" placeholder:"N" help:"How many of them share a room (default: the scenario's own)."`
	Duration     time.Duration `env:"DURATION" default:"10s" placeholder:"TIME" help:"How long to measure (${default})."`
	ServerPID    int           `name:"server-pid" env:"SERVER_PID" default:"0" placeholder:"PID" help:"Process of the server, to read its CPU time and memory (Linux)."`
	RedisPID     int           `name:"redis-pid" env:"REDIS_PID" default:"0" placeholder:"PID" help:"Process of Redis, likewise."`
}

// Run puts the load on the server and prints a table. Errors and missing
// events fail it.
func (c *benchCmd) Run(out output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := bench.Run(ctx, bench.Config{
		TargetURL:   c.TargetURL,
		Scenario:    c.Scenario,
		Connections: c.Connections,
		Rooms:       c.Rooms,
		RoomSize:    c.UsersPerRoom,
		Duration:    c.Duration,
		ServerPID:   c.ServerPID,
		RedisPID:    c.RedisPID,
	})
	if err != nil {
		return err
	}
	if _, err := report.WriteTo(out.stdout); err != nil {
		return err
	}
	return report.Err()
}
