package main

import (
	"time"

	load "github.com/realtime-ai/realtime-message-go/internal/bench"
)

// row is one line of the table: a load, and which of its costs counts.
type row struct {
	name     string
	budget   cost
	workload string
	change   func(*load.Config)
	cost     func(r *load.Report) cost
	echoToo  bool // a server that only echoes can do it
	fixed    bool // the cost is the same on a slow machine
	rate     int  // patches per second of a row at everyday load; 0 for the others
}

// cost is what the server's process and Redis paid, in the row's unit. Rows at
// everyday load also have the percentiles of delivery, in ms.
type cost struct {
	server, redis float64
	p50, p99      float64
}

// times is the CPU time of c on a machine that needs f times as long.
func (c cost) times(f float64) cost { return cost{server: c.server * f, redis: c.redis * f} }

var rows = []row{
	{
		name: "acked heartbeat, no patch (µs)", budget: cost{server: 9, redis: 0.1}, workload: "heartbeat", echoToo: true,
		change: seconds(4), cost: perOperation,
	},
	{
		name: "patch, 2-member room, 2 deliveries (µs)", budget: cost{server: 25, redis: 9}, workload: "patch",
		change: seconds(4), cost: perOperation,
	},
	{
		name: "connect + join, 2-member room (µs)", budget: cost{server: 130, redis: 25}, workload: "connect-join", echoToo: true,
		change: func(*load.Config) {}, cost: perOperation,
	},
	{
		name: "one delivery of a broadcast, room of 100 (µs)", budget: cost{server: 2}, workload: "broadcast",
		change: seconds(4), cost: perDelivery,
	},
	{
		name: "1000 joins into one room (µs per join)", budget: cost{server: 1100, redis: 40}, workload: "join-storm",
		change: func(*load.Config) {}, cost: perOperation,
	},
	{
		name: "resident memory per joined connection (KB)", budget: cost{server: 8}, workload: "idle", echoToo: true,
		change: func(c *load.Config) { c.Rooms, c.Duration = 800, 2*time.Second }, cost: memory, fixed: true,
	},
	{
		name: "idle connection (µs per second)", workload: "idle",
		change: func(c *load.Config) { c.Rooms, c.Duration = 500, 16*time.Second }, cost: perSecond,
	},
}

// yardstick tells how fast the machine is at the moment: a heartbeat that is
// only echoed. The budgets are of a machine where that costs budgetEcho.
var yardstick = row{name: "yardstick (µs)", workload: "heartbeat", change: seconds(2), cost: perOperation}

const budgetEcho = 5.9 // µs

func seconds(n int) func(*load.Config) {
	return func(c *load.Config) { c.Duration = time.Duration(n) * time.Second }
}

// perOperation divides the CPU time of the last phase.
func perOperation(r *load.Report) cost {
	p := r.Phases[len(r.Phases)-1]
	return split(p, p.Operations)
}

func perDelivery(r *load.Report) cost {
	p := r.Phases[len(r.Phases)-1]
	return split(p, p.Deliveries)
}

func split(p load.Phase, n int64) (c cost) {
	for _, u := range p.Processes {
		switch u.Role {
		case "server":
			c.server += u.CPUMicros(n)
		case "redis":
			c.redis += u.CPUMicros(n)
		}
	}
	return c
}

// perSecond divides the CPU time of the last phase by its seconds and by the
// connections.
func perSecond(r *load.Report) cost {
	p := r.Phases[len(r.Phases)-1]
	return split(p, int64(p.Seconds*float64(r.Rooms*r.UsersPerRoom)))
}

// memory is what the server grew by from its start to the end of the load.
func memory(r *load.Report) (c cost) {
	before, after := r.Phases[0].Processes, r.Phases[len(r.Phases)-1].Processes
	for i, u := range before {
		if u.Role == "server" {
			c.server += float64(after[i].ResidentAfter-u.ResidentBefore) / 1024 / float64(r.Rooms*r.UsersPerRoom)
		}
	}
	return c
}
