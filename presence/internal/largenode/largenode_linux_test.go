package largenode

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

var (
	large = flag.Int("large", 0, "how many members TestLargeNode gives a node; 0: it is skipped")
	peers = flag.Int("large.peers", 50_000, "how many members the node has that dies, a fourth of those of the other at most")
)

// What a large node may cost.
const (
	mostMemory = 8 << 10               // bytes of each session
	mostStall  = 50 * time.Millisecond // of a loop beyond the control loop
)

// TestLargeNode fills a node, which make large does: with the ping interval that the command has, and has
// another node die; and with the one that Socket.IO has.
func TestLargeNode(t *testing.T) {
	if *large == 0 {
		t.Skip("make large runs this")
	}
	for _, c := range []struct {
		ping, window time.Duration
		peers        int
		most         time.Duration // CPU per second of each session
	}{
		{8 * time.Second, 24 * time.Second, min(*peers, *large/4), 2 * time.Microsecond},
		{25 * time.Second, 25 * time.Second, 0, 1200 * time.Nanosecond},
	} {
		spec := Spec{
			Members: *large, Peers: c.peers, Ping: c.ping, Window: c.window,
			Before: 5 * time.Second, After: 12 * time.Second, Abandon: true,
		}
		t.Run(fmt.Sprint("ping=", c.ping), func(t *testing.T) {
			control, node := inProcess(t, part{false, spec}), inProcess(t, part{true, spec})
			show(t, spec, control, node, c.most)
		})
	}
}

// show prints what a pair of parts came to, and fails the test where that is too much.
func show(t *testing.T, s Spec, control, node *Report, most time.Duration) {
	each := func(bytes int64) float64 { return float64(bytes) / float64(s.Members) }
	ends, bare := each(control.Ends.Settled-control.Empty.Settled), each(control.Full.Settled-control.Empty.Settled)
	full, resident := each(node.Full.Settled-node.Empty.Settled), each(node.Full.Resident-node.Empty.Resident)
	cpu := func(r *Report) time.Duration {
		return time.Duration(float64(r.Idle.CPU) / r.Idle.Took.Seconds() / float64(s.Members))
	}
	fmt.Printf(`
%d sessions, joined in %v (%d joins twice); pings every %v
memory of each, KB          %.2f: %.2f, less %.2f of the control (its far ends alone: %.2f); as it stood, with garbage: %.2f
CPU of each, µs per second  %.2f: %.2f, less %.2f of the control
`, s.Members, node.Entered.Round(time.Second), node.Refused, s.Ping,
		(full-bare)/1024, full/1024, bare/1024, ends/1024, resident/1024,
		micros(cpu(node)-cpu(control)), micros(cpu(node)), micros(cpu(control)))
	print := func(name string, s Span) {
		fmt.Printf("%-27s control loop %s; pings %s, life sign %s, answer %s, event %s; %d collections, pauses %s\n",
			name, millis(s.Control), millis(s.Ping), millis(s.Sign), millis(s.Answer), millis(s.Event), s.Collections, millis(s.Pause))
		for what, late := range map[string]time.Duration{"ping": s.Ping, "life sign": s.Sign, "answer": s.Answer, "event": s.Event} {
			if late-s.Control > mostStall {
				t.Errorf("%s: a late %s: %v, control loop %v", name, what, late, s.Control)
			}
		}
	}
	print("longest stalls: control", control.Idle)
	print("  idle", node.Idle)
	if s.Peers > 0 {
		print("  another node joins", node.Probed)
		print("  it dies", node.Reaping)
		fmt.Printf("%d members of a dead node  seen leaving from %v to %v after its death\n",
			s.Peers, node.First.Round(time.Millisecond), node.Last.Round(time.Millisecond))
	}
	if own := full - bare; own > mostMemory {
		t.Errorf("%.0f bytes for each session", own)
	}
	if own := cpu(node) - cpu(control); own > most {
		t.Errorf("%v of CPU per second for each session, want %v", own, most)
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// millis is a time in ms, or a dash where it was not measured.
func millis(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// inProcess runs a part in a process of its own.
func inProcess(t *testing.T, p part) *Report {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), partTime+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	r := new(Report)
	if err := json.Unmarshal(out, r); err != nil {
		t.Fatalf("%+v printed %.200q: %v", p, out, err)
	}
	return r
}

// The parts of a run, small.
func TestSmallNode(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), partTime)
	defer cancel()
	spec := Spec{Members: 300, Peers: 100, Ping: time.Second, Window: 2 * time.Second, Before: 100 * time.Millisecond}
	for name, run := range map[string]func(context.Context, Spec) (*Report, error){"control": Control, "node": RunNode} {
		r, err := run(ctx, spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if least := int64(spec.Members); r.Idle.Pings < least || r.Idle.Pings > 4*least {
			t.Errorf("%s: %d pings", name, r.Idle.Pings)
		}
		t.Logf("%s: %+v", name, r)
	}
}
