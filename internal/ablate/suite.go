package main

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// suite is the test binary of one package.
type suite struct {
	dir       string          // of the package, from the root of the module
	needs     map[string]bool // the package and what it imports, by directory
	binary    string
	simulates bool // it has the simulation
}

// tests reports whether a rule is part of what the suite tests. Without a rule it is.
func (s *suite) tests(r rule) bool {
	return len(r.edits) == 0 || slices.ContainsFunc(r.edits, func(e edit) bool { return s.needs[path.Dir(e.file)] })
}

// call is what a test is called in the table. That of another package than the
// simulation's has the package's name before its own.
func (s *suite) call(test string) string {
	if s.simulates {
		return test
	}
	return path.Base(s.dir) + "." + test
}

// of lists the suites that may notice a rule: that of its own package first, which takes
// the least time.
func (c config) of(r rule) (list []suite) {
	for _, s := range c.suites {
		if s.tests(r) {
			list = append(list, s)
		}
	}
	own := func(s suite) bool {
		return slices.ContainsFunc(r.edits, func(e edit) bool { return s.dir == path.Dir(e.file) })
	}
	slices.SortStableFunc(list, func(a, b suite) int {
		switch {
		case own(a) == own(b):
			return 0
		case own(a):
			return -1
		}
		return 1
	})
	return list
}

// suites lists the packages of presence with tests that some of the rules are part of.
func suites(ctx context.Context, root string, rules []rule) (list []suite, err error) {
	const format = `{{.ImportPath}} {{.Module.Path}} {{len .TestGoFiles}}{{len .XTestGoFiles}} {{join .Deps ","}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-f", format, "./presence/...")
	cmd.Dir = root
	said, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	for line := range strings.Lines(string(said)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[2] == "00" {
			continue
		}
		dir := strings.TrimPrefix(words[0], words[1]+"/")
		s := suite{dir: dir, needs: map[string]bool{dir: true}}
		for _, deps := range words[3:] {
			for dep := range strings.SplitSeq(deps, ",") {
				s.needs[strings.TrimPrefix(dep, words[1]+"/")] = true
			}
		}
		if slices.ContainsFunc(rules, s.tests) {
			list = append(list, s)
		}
	}
	return list, nil
}

// build makes the test binaries of the suites.
func build(ctx context.Context, c config, rules []rule, dir string) (list []suite, err error) {
	plan, err := writeOverlay(c.root, rules, dir)
	if err != nil {
		return nil, err
	}
	if list, err = suites(ctx, c.root, rules); err != nil {
		return nil, err
	}
	simulates := false
	for i := range list {
		s := &list[i]
		if s.binary, err = filepath.Abs(filepath.Join(dir, fmt.Sprintf("%d.test", i))); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", plan, "-o", s.binary, "./"+s.dir)
		cmd.Dir = c.root
		if said, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests of %s: %w: %s", s.dir, err, said)
		}
		said, err := exec.CommandContext(ctx, s.binary, "-test.list", simulationTest).Output()
		if err != nil {
			return nil, fmt.Errorf("list the tests of %s: %w", s.dir, err)
		}
		s.simulates = len(said) > 0
		simulates = simulates || s.simulates
	}
	if !simulates {
		return nil, fmt.Errorf("no package has the test %s", simulationTest)
	}
	return list, nil
}
