package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/parallel"
)

// result is what noticed that a rule was switched off.
type result struct {
	rule    rule
	run     int      // seeds that ran
	seeds   []string // of these, that failed
	crashed int      // processes that ended in the middle, each a failed seed more
	tests   []string // that failed; more may
	late    bool     // the time was over before all seeds and tests had run
	took    time.Duration
	err     error // it could not be tried
}

func (r *result) noticed() bool { return r.failed() > 0 || len(r.tests) > 0 }

// failed is how many seeds failed.
func (r *result) failed() int { return len(r.seeds) + r.crashed }

// line is the result for who waits for it.
func (r *result) line() string {
	if r.err != nil {
		return fmt.Sprintf("%s: %v", r.rule.name, r.err)
	}
	text := fmt.Sprintf("%-26s %6v  seeds: %d of %d failed", cmp.Or(r.rule.name, "(none)"), r.took.Round(time.Second), r.failed(), r.run)
	if len(r.seeds) > 0 {
		text += " (" + strings.Join(r.seeds, " ") + ")"
	}
	text += "; tests: " + strings.Join(append([]string{fmt.Sprint(len(r.tests))}, r.tests...), " ")
	if r.late {
		text += "; the time was over"
	}
	return text
}

// tryAll tries some rules at a time, and tells of each when it is done.
func tryAll(ctx context.Context, c config, list []rule) []result {
	results := make([]result, len(list))
	_ = parallel.Each(ctx, len(list), c.parallel, func(i int) error { // errors are in the results
		results[i] = try(ctx, c, list[i])
		fmt.Println(results[i].line())
		return nil
	})
	return results
}

// try switches a rule off and runs tests until some fail, then seeds until some fail.
func try(ctx context.Context, c config, r rule) (out result) {
	began := time.Now()
	out = result{rule: r}
	defer func() { out.took = time.Since(began) }()
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	for _, s := range c.of(r) {
		if len(out.tests) < c.tests && ctx.Err() == nil {
			out.tryTests(ctx, c, s)
		}
	}
	for _, s := range c.of(r) {
		if s.simulates {
			out.trySeeds(ctx, c, s)
		}
	}
	out.late = ctx.Err() != nil && !(out.failed() > 0 && len(out.tests) > 0)
	return out
}

// writeOverlay puts the files in which the rules can be switched off into a directory,
// and returns the path of the plan that the go command's -overlay takes.
func writeOverlay(root string, list []rule, dir string) (plan string, err error) {
	files, err := overlay(root, list)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for name, src := range files {
		from, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, fmt.Sprintf("%d_%s", len(replace), filepath.Base(name)))
		if err := os.WriteFile(to, src, 0o644); err != nil {
			return "", err
		}
		replace[from] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	plan = filepath.Join(dir, "overlay.json")
	return plan, os.WriteFile(plan, text, 0o644)
}

// command runs a suite where go test would, on one processor.
func (r *result) command(ctx context.Context, c config, s suite, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, append(args, "-test.timeout", c.limit.String())...)
	cmd.Dir = filepath.Join(c.root, filepath.FromSlash(s.dir))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", ruleVariable+"="+r.rule.name)
	cmd.WaitDelay = time.Second
	return cmd
}

// simulationTest is what the test is called that runs seeds.
const simulationTest = "^TestSimulation$"

var failedSeed = regexp.MustCompile(`(?m)^\s*--- FAIL: TestSimulation/seeds/\d+/seed=(\d+) `)

func (r *result) trySeeds(ctx context.Context, c config, s suite) {
	for r.run < c.seeds && r.failed() == 0 && ctx.Err() == nil {
		n := min(c.batch, c.seeds-r.run)
		said, err := r.command(ctx, c, s, "-test.run", simulationTest, "-transients", "-goon", "-from", fmt.Sprint(c.from+uint64(r.run)), "-seeds", fmt.Sprint(n)).CombinedOutput()
		if ctx.Err() != nil {
			return
		}
		r.run += n
		seeds := seedsThatFailed(said)
		r.seeds = append(r.seeds, seeds...)
		if err != nil && len(seeds) == 0 {
			r.crashed++
		}
	}
}

func seedsThatFailed(said []byte) (seeds []string) {
	for _, m := range failedSeed.FindAllSubmatch(said, -1) {
		seeds = append(seeds, string(m[1]))
	}
	return seeds
}

// tryTests adds the tests of a suite that fail to those that did.
func (r *result) tryTests(ctx context.Context, c config, s suite) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	skip := simulationTest
	if c.skip != "" {
		skip += "|" + c.skip
	}
	cmd := r.command(ctx, c, s, "-test.v", "-test.skip", skip)
	said, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		r.err = err
		return
	}
	done := make(chan error, 1)
	go func() {
		done <- cmd.Wait()
		_ = w.Close()
	}()
	last, failed := testsThatFailed(said, c.tests-len(r.tests))
	for _, name := range failed {
		r.tests = append(r.tests, s.call(name))
	}
	enough := len(r.tests) == c.tests
	ended := ctx.Err()
	if enough {
		cancel()
	}
	_, _ = io.Copy(io.Discard, said)
	err := <-done
	switch {
	case err == nil || enough || len(failed) > 0 || ended == context.Canceled:
	case ended != nil: // all of them end in half of that time when no rule is off
		r.tests = append(r.tests, s.call(last)+" (it did not end)")
	default:
		r.tests = append(r.tests, s.call(last)+" (the process ended)")
	}
}

// testsThatFailed reads what a test binary says until so many have failed. last is
// the test that began last.
func testsThatFailed(said io.Reader, most int) (last string, failed []string) {
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 1<<24)
	for len(failed) < most && lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "=== RUN   "); ok {
			last = name
		}
		if rest, ok := strings.CutPrefix(lines.Text(), "--- FAIL: "); ok {
			name, _, _ := strings.Cut(rest, " ")
			failed = append(failed, name)
		}
	}
	return last, failed
}
