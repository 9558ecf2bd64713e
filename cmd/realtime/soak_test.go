//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/bench"
	"github.com/realtime-ai/realtime-message-go/internal/procstat"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

var soakTime = flag.Duration("soak", 5*time.Second, "how long TestSoak has its loads on a server")

// flatFrom is when memory has to have stopped growing, in a soak that is long
// enough, and flatWithin by what part it may differ after that.
const (
	flatFrom   = time.Minute
	flatWithin = 0.2
)

// Under users who come and go, and others who stay and patch, a server does not
// grow; and in the end there are no goroutines and no keys but those of its start.
func TestSoak(t *testing.T) {
	redis := redistest.Start(t)
	fresh := start(t, []string{"REDIS_URL=" + redistest.Start(t).URL()}, "serve")
	fresh.url()
	p := start(t, []string{"REDIS_URL=" + redis.URL()}, "serve")
	url := p.url()
	keys := func() []string {
		list, err := redis.Do("KEYS", "*")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return list
	}
	before := keys()

	memory := watchMemory(t, p)
	var wg sync.WaitGroup
	for _, name := range []string{"churn", "presence"} {
		wg.Go(func() {
			cfg, err := bench.Workload(name)
			if err != nil {
				t.Error(err)
				return
			}
			cfg.Targets, cfg.Duration, cfg.RampUp, cfg.AckTimeout = []string{url}, *soakTime, time.Second, patience
			report, err := bench.Run(t.Context(), cfg)
			if err == nil {
				err = report.Err()
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			load := report.Phases[len(report.Phases)-1]
			t.Logf("%s: %d operations, %d deliveries in %.0f s", name, load.Operations, load.Deliveries, load.Seconds)
		})
	}
	wg.Wait()
	memory(*soakTime)

	deadline := time.Now().Add(patience)
	for after := keys(); !slices.Equal(after, before); after = keys() {
		if time.Now().After(deadline) {
			t.Fatalf("keys %q, at the start %q", after, before)
		}
		time.Sleep(50 * time.Millisecond)
	}
	was, is := fresh.goroutines(), p.goroutines()
	t.Logf("%d goroutines, in a fresh server %d", is, was)
	if is > was+was/2 {
		t.Errorf("%d goroutines, in a fresh server %d", is, was)
	}
}

// resting matches a goroutine that waits for more to do, for some seconds.
var resting = regexp.MustCompile(`\ngoroutine [^\n]*\[chan receive[^\n]*\n(?:runtime\.[^\n]*\n\t[^\n]*\n)*[^\n]*workers\.\(\*Pool\)\.work\(`)

// goroutines ends a process and counts its goroutines but for those that rest.
func (p *process) goroutines() int {
	p.t.Helper()
	p.signal(syscall.SIGQUIT) // the runtime prints every goroutine, and ends
	<-p.exited
	text := p.stderr.String()
	return strings.Count(text, "\ngoroutine ") - len(resting.FindAllString(text, -1))
}

// watchMemory reads a process's memory until the function that it returns is
// called, which prints it and fails the test if it grew.
func watchMemory(t *testing.T, p *process) (end func(whole time.Duration)) {
	ctx, cancel := context.WithCancel(t.Context())
	var megabytes []float64
	every := min(max(*soakTime/60, 500*time.Millisecond), flatFrom/6)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				megabytes = append(megabytes, residentMB(t, p.cmd.Process.Pid))
			case <-ctx.Done():
				return
			}
		}
	})
	return func(whole time.Duration) {
		cancel()
		wg.Wait()
		var line strings.Builder
		for _, n := range megabytes {
			fmt.Fprintf(&line, " %.0f", n)
		}
		t.Logf("resident MB, every %v:%s", every, &line)
		first := int(flatFrom / every)
		if whole < 3*flatFrom || len(megabytes) < 2*first {
			return
		}
		early, late := slices.Max(megabytes[first:2*first]), slices.Max(megabytes[len(megabytes)-first:])
		if late > early*(1+flatWithin) {
			t.Errorf("memory grows: %.1f MB in the second minute, %.1f MB in the last", early, late)
		}
	}
}

func residentMB(t *testing.T, pid int) float64 {
	used, err := procstat.Read(pid)
	if err != nil {
		t.Error(err)
	}
	return float64(used.Resident) / (1 << 20)
}
