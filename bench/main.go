// Command bench measures a standard set of loads in some minutes and prints
// them beside a bare WebSocket echo server and beside Socket.IO on Node. Most
// rows give a server all the load that it takes; those at everyday load have a
// fixed rate, and a table of their own. Each server runs in a fresh process; what
// is compared runs one after the other, so that ratios hold on a busy machine
// too. It needs bin/realtime, redis-server, and for the last column node and what
// npm installs in bench/node.
//
// With -base it compares two builds of the command instead, which take turns,
// and fails when a row is worse.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run())
}

func run() int {
	if len(os.Args) == 2 && os.Args[1] == echoCommand {
		return fail(serveEcho())
	}
	binary := flag.String("realtime", "bin/realtime", "the built command")
	node := flag.String("node", "bench/node", "folder of the server on Node")
	base := flag.String("base", "", "another build of the command to compare with, instead of the other servers")
	rounds := flag.Int("rounds", 0, fmt.Sprintf("how often to measure each; the median counts (default %d; %d at everyday load, %d with -base)", usualRounds, everydayRounds, comparedRounds))
	only := flag.String("only", "", "measure only the rows with this in their name, such as everyday")
	flag.Parse()
	if *rounds < 0 {
		return fail(errors.New("-rounds must not be below 0"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{binary: *binary, node: *node, progress: os.Stderr}
	wanted := func(name string) bool { return strings.Contains(name, *only) }
	var table string
	var err error
	if *base != "" {
		table, err = b.compare(ctx, *base, *rounds, wanted)
	} else {
		table, err = b.measure(ctx, *rounds, wanted)
	}
	fmt.Print(table)
	return fail(err)
}

func fail(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}
