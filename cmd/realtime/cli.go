package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kong"

	"github.com/realtime-ai/realtime-message-go/internal/config"
)

// cli is the command line. Each field is a subcommand with a file of its own.
type cli struct {
	Dev   devCmd   `cmd:"" help:"Serve this machine with members in memory, chat:* relayed, and a page to try it on."`
	Serve serveCmd `cmd:"" help:"Serve with members in Redis, on as many servers as share it."`
	Bench benchCmd `cmd:"" help:"Put a bounded load on a server and measure what it costs."`
}

// output is where a subcommand writes: the ready line to stdout, logs to stderr.
// Warnings about the environment belong into its log.
type output struct {
	stdout, stderr io.Writer
	warnings       []string
}

// run carries out one command line and returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	env, err := config.ReadEnv(environ, ".env")
	if err != nil {
		return fail(stderr, err)
	}
	var commands cli
	ctx, warnings, err := config.Parse(&commands, joinPIDs(args), env,
		kong.Name("realtime"),
		kong.Description("Presence for applications that talk Socket.IO. Every flag can also be set by the variable "+
			"that its help names, in the environment or in a .env file."),
		kong.Writers(stdout, stderr),
	)
	if err != nil {
		return fail(stderr, err)
	}
	ctx.Bind(output{stdout, stderr, warnings})
	if err := ctx.Run(); err != nil {
		return fail(stderr, err)
	}
	return 0
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "realtime:", err)
	return 1
}

// newLogger makes the log, which begins with the warnings.
func newLogger(c *config.Config, out output) *slog.Logger {
	log := slog.New(newHandler(c, out.stderr))
	for _, text := range out.warnings {
		log.Warn(text)
	}
	return log
}

func newHandler(c *config.Config, w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: c.LogLevel.Level}
	if c.LogFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}
