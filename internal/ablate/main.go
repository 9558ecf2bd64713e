// Command ablate switches the repair rules of presence off, one at a time, and
// looks what notices: seeds of the simulation, unit tests. It builds the tests of the
// packages of presence with an overlay that can switch each of them off, so that the
// code itself needs no switches, and writes what it found as a Markdown table.
//
// A rule that nothing notices needs a test, or is not needed. A rule whose
// function is not there any more is an error: rules.go is kept with the code.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ablate:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	root     string // of the module
	seeds    int    // of the simulation, for each rule
	batch    int    // seeds that one process runs
	from     uint64
	tests    int           // failing tests after which it is enough
	limit    time.Duration // for one rule
	parallel int           // rules at a time
	only     string        // parts of names; "": all
	out      string        // the page to write; "": none
	skip     string        // tests that do not run
	suites   []suite       // the tests
}

func parse(args []string) (config, error) {
	var c config
	f := flag.NewFlagSet("ablate", flag.ContinueOnError)
	f.StringVar(&c.root, "root", ".", "the directory of the module")
	f.IntVar(&c.seeds, "seeds", 100, "how many seeds of the simulation each rule gets")
	f.IntVar(&c.batch, "batch", 50, "how many of them one process runs")
	f.Uint64Var(&c.from, "from", 0, "the first seed")
	f.IntVar(&c.tests, "tests", 1, "after how many failing tests a rule is done")
	f.DurationVar(&c.limit, "limit", time.Minute, "how long one rule may take")
	f.IntVar(&c.parallel, "parallel", runtime.NumCPU(), "how many rules are tried at a time")
	f.StringVar(&c.only, "rule", "", "the rules to try, as a list of parts of names with commas; empty: all")
	f.StringVar(&c.out, "out", "", "the file that the table is written to, unless -rule is given")
	f.StringVar(&c.skip, "skip", "", "tests that do not run, as a regular expression: those that take long")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if c.seeds < 0 || c.batch <= 0 || c.parallel <= 0 || c.tests <= 0 || f.NArg() > 0 {
		return c, errors.New("-batch, -parallel and -tests must be above 0, -seeds not below it, and there are no arguments")
	}
	return c, nil
}

// pick returns the rules that a list of parts of names asks for.
func pick(all []rule, only string) (list []rule) {
	for _, r := range all {
		for _, part := range strings.Split(only, ",") {
			if strings.Contains(r.name, part) {
				list = append(list, r)
				break
			}
		}
	}
	return list
}

func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	list := pick(rules, c.only)
	if len(list) == 0 {
		return fmt.Errorf("no rule is called like %q", c.only)
	}
	dir, err := os.MkdirTemp("", "ablate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if c.suites, err = build(ctx, c, list, dir); err != nil {
		return err
	}
	began := time.Now()
	none := try(ctx, c, rule{})
	fmt.Println(none.line())
	if none.noticed() || none.late || none.err != nil {
		return fmt.Errorf("with all rules in place: %s", none.line())
	}
	results := tryAll(ctx, c, list)
	if err := ctx.Err(); err != nil {
		return err
	}
	text := page(c, results)
	if c.out != "" && c.only == "" {
		if err := os.WriteFile(c.out, []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s\n%d rules in %v\n", text, len(results), time.Since(began).Round(time.Second))
	return verdict(results)
}

// verdict is an error if there are rules that nothing notices, or that could not be
// tried.
func verdict(results []result) error {
	var bad []string
	for _, r := range results {
		switch {
		case r.err != nil:
			bad = append(bad, fmt.Sprintf("%s: %v", r.rule.name, r.err))
		case !r.noticed():
			bad = append(bad, r.rule.name+": nothing notices that it is switched off")
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%d rules need a look:\n%s", len(bad), strings.Join(bad, "\n"))
	}
	return nil
}
