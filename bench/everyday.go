package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/mdtable"
	"github.com/realtime-ai/realtime-message-go/internal/parallel"
	"github.com/realtime-ai/realtime-message-go/internal/quantile"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/redis/rueidis"
)

// The everyday load: few enough patches that every server has idle time between
// them. Then each hand-off from one thread or process to another has to wake it,
// which costs more than under full load, and a delivery does not wait in a queue.
const (
	everydayRooms   = 100
	everydayMembers = 2 // of a room: each patch is delivered to both
	everydayTime    = 5 * time.Second
	// everydayRounds is how often it is measured: times vary more than costs do.
	everydayRounds = 5
)

// everydayRows are at fixed rates, in patches per second of all users together.
var everydayRows = []row{everydayRow(400), everydayRow(1000), everydayRow(3000)}

func everydayRow(rate int) row {
	return row{
		name: fmt.Sprintf("everyday, %d/s", rate), workload: "presence", rate: rate, cost: everydayCost,
		change: func(c *load.Config) {
			c.Rooms, c.UsersPerRoom = everydayRooms, everydayMembers
			c.HeartbeatsPerSec = float64(rate) / (everydayRooms * everydayMembers) // of each user
			c.PatchShare = 1
			// While users connect the server also ends the members of the warm-up.
			c.RampUp, c.Duration = time.Second, everydayTime
		},
	}
}

// named is the row with more to its name.
func (r row) named(more string) row {
	r.name += ", " + more
	return r
}

// warmUp comes before each everyday load: a server in everyday use has long compiled
// its code and filled its pools, and at these rates a new one would do so while it is
// measured.
var warmUp = row{name: "warm-up", workload: "patch", change: seconds(2)}

// everydayCost is the CPU time per patch, and how long deliveries took.
func everydayCost(r *load.Report) cost {
	c := perOperation(r)
	for _, l := range r.Latencies {
		if l.Op == "delivery" {
			c.p50, c.p99 = float64(l.P50)/1000, float64(l.P99)/1000
		}
	}
	return c
}

// leastOfRate is the part of a row's rate that a load must have reached.
const leastOfRate = 0.9

// reached is an error when the load was slower than the row says: then the client or
// the machine was the limit, and the figures are of another rate.
func (r row) reached(report *load.Report) error {
	p := report.Phases[len(report.Phases)-1]
	if got := float64(p.Operations) / p.Seconds; got < leastOfRate*float64(r.rate) {
		return fmt.Errorf("%.0f patches per second instead of %d: the machine is too busy or too slow", got, r.rate)
	}
	return nil
}

// delivery is a row's percentiles for the progress; empty without any.
func (c cost) delivery() string {
	if c.p50 == 0 {
		return ""
	}
	return fmt.Sprintf(", delivery p50 %.3f ms, p99 %.3f ms", c.p50, c.p99)
}

const (
	memoryColumn = "realtime, in memory"
	redisColumn  = "realtime, on Redis"
	// pingColumn is no server under load: its p50 is that of a PING.
	pingColumn = "PING"
)

// everydayColumns are the servers in the order in which a round measures them.
func (b *bench) everydayColumns() []column {
	all := func(row) bool { return true }
	return []column{
		{memoryColumn, false, func() (*server, error) { return startMemory(b.binary) }, all},
		{redisColumn, false, b.startRealtime, all},
		{nodeColumn, true, b.startNode, all},
	}
}

// everydayLine is a row with what each round measured, by column. A column that
// failed is missing in its round.
type everydayLine struct {
	row    row
	rounds []map[string]cost
}

// everyday measures the rows at everyday load, and returns those that it came to.
func (b *bench) everyday(ctx context.Context, rounds int, wanted func(name string) bool) ([]everydayLine, error) {
	var lines []everydayLine
	var errs []error
	for _, r := range everydayRows {
		if !wanted(r.name) {
			continue
		}
		l := everydayLine{row: r}
		for range rounds {
			got, err := b.everydayRound(ctx, r)
			if ctx.Err() != nil {
				return lines, ctx.Err()
			}
			l.rounds, errs = append(l.rounds, got), append(errs, err)
		}
		lines = append(lines, l)
	}
	return lines, errors.Join(errs...)
}

// everydayRound measures one row on each server, and then PING.
func (b *bench) everydayRound(ctx context.Context, r row) (map[string]cost, error) {
	round := map[string]cost{}
	err := b.turns(ctx, r, b.everydayColumns(), func(c column, got cost) { round[c.name] = got })
	if ctx.Err() != nil {
		return round, ctx.Err()
	}
	ping, errPing := freshPing(ctx, r.rate)
	if errPing != nil {
		return round, errors.Join(err, fmt.Errorf("PING at %d/s: %w", r.rate, errPing))
	}
	fmt.Fprintf(b.progress, "bench: %s, PING: p50 %.3f ms\n", r.name, ping)
	round[pingColumn] = cost{p50: ping}
	return round, err
}

const (
	// pingTime is how long PINGs are sent.
	pingTime = 2 * time.Second
	// pingers is how many may wait for an answer: as many as the load has senders.
	pingers = 8
)

// freshPing is pingMedian on a Redis of its own, where nothing else goes on.
func freshPing(ctx context.Context, rate int) (ms float64, err error) {
	redis, err := redistest.Launch()
	if err != nil {
		return 0, err
	}
	defer redis.Close()
	return pingMedian(ctx, redis.Addr, rate, int(pingTime.Seconds())*rate)
}

// pingMedian sends PINGs at a fixed rate and returns the median time to the answer,
// in ms. The client is the one that realtime has, with the same kind of connection:
// so it is the least that Redis and the loopback add to a delivery. A PING that is
// sent late counts from its sending; a median does not depend on the few of those.
func pingMedian(ctx context.Context, addr string, rate, count int) (ms float64, err error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true,
		AlwaysPipelining: true, PipelineMultiplex: -1,
	})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	took := make([]time.Duration, count)
	begin := time.Now()
	err = parallel.Each(ctx, count, pingers, func(i int) error {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		sent := time.Now()
		err := client.Do(ctx, client.B().Ping().Build()).Error()
		took[i] = time.Since(sent)
		return err
	})
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return 0, err
	}
	return quantile.Of(took, 0.5).Seconds() * 1000, nil
}

// formatEveryday writes a line for each rate and server, with the medians of the
// rounds.
func formatEveryday(lines []everydayLine) string {
	table := [][]string{{
		"patches/s", "server", "server µs / patch", "Redis µs / patch", "p50 (ms)", "p99 (ms)",
		"server / Node", "p50 / Node", "p99 / Node", "PING p50 (ms)",
	}}
	for _, l := range lines {
		for _, name := range []string{memoryColumn, redisColumn, nodeColumn} {
			table = append(table, l.cells(name))
		}
	}
	return fmt.Sprintf("%s; everyday load: %d connections in rooms of %d; p50 and p99 of delivery\n\n",
		machine(), everydayRooms*everydayMembers, everydayMembers) + mdtable.Format(table)
}

// cells is the table's line of one server.
func (l everydayLine) cells(column string) []string {
	c := middle(l.costs(column))
	ping := 0.0
	if column == redisColumn {
		ping = middle(l.costs(pingColumn)).p50
	}
	return []string{
		strconv.Itoa(l.row.rate), column, digits(c.server), digits(c.redis), digits(c.p50), digits(c.p99),
		l.toNode(column, serverOf), l.toNode(column, p50Of), l.toNode(column, p99Of), digits(ping),
	}
}

// costs is what the rounds measured of a column.
func (l everydayLine) costs(column string) (list []cost) {
	for _, round := range l.rounds {
		if c, ok := round[column]; ok {
			list = append(list, c)
		}
	}
	return list
}

// toNode is the median of a part's ratios to Node's, each within one round: rounds
// minutes apart may find another machine.
func (l everydayLine) toNode(column string, part func(cost) float64) string {
	var ratios []float64
	for _, round := range l.rounds {
		own, node := part(round[column]), part(round[nodeColumn])
		if own > 0 && node > 0 {
			ratios = append(ratios, own/node)
		}
	}
	if len(ratios) == 0 || column == nodeColumn {
		return "–"
	}
	return fmt.Sprintf("%.2f", quantile.Of(ratios, 0.5))
}

// digits writes three digits or more; nothing measured is a dash.
func digits(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v < 1:
		return fmt.Sprintf("%.3f", v)
	}
	return micros(v)
}
