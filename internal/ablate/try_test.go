package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatFailed(t *testing.T) {
	const said = `=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestSimulation/seeds/0/seed=4
        --- FAIL: TestSimulation/seeds/0/seed=4 (0.02s)
        --- PASS: TestSimulation/seeds/0/seed=5 (0.02s)
            --- FAIL: TestSimulation/seeds/0/seed=60 (0.02s)
--- FAIL: TestSimulation (0.10s)
    --- FAIL: TestSimulation/seeds (0.00s)
=== RUN   TestB
--- FAIL: TestB (1.00s)
--- FAIL: TestC (1.00s)
`
	if got := seedsThatFailed([]byte(said)); !slices.Equal(got, []string{"4", "60"}) {
		t.Errorf("seeds %q", got)
	}
	last, got := testsThatFailed(strings.NewReader(said), 2)
	if last != "TestB" || !slices.Equal(got, []string{"TestSimulation", "TestB"}) {
		t.Errorf("tests %q, the last was %s", got, last)
	}
}

func TestPage(t *testing.T) {
	results := []result{
		{rule: rule{name: "a", why: "So | so."}, run: 50, seeds: []string{"7"}, crashed: 1, tests: []string{"TestA", "TestB"}},
		{rule: rule{name: "b", why: "B."}, run: 300},
		{rule: rule{name: "c", why: "C."}, err: errors.New("build:\nno")},
		{rule: rule{name: "d", why: "D."}, run: 250, late: true},
		{rule: rule{name: "e", why: "E."}, run: 50, seeds: []string{"7"}},
	}
	_, table, _ := strings.Cut(page(config{seeds: 300, tests: 3}, results), "| --- | --- | --- | --- |\n")
	const want = "| `a` | So \\| so. | 2 of 50 | TestA, TestB |\n" +
		"| `b` | B. | 0 of 300 | **nothing notices** |\n" +
		"| `c` | C. | not tried | build: no |\n" +
		"| `d` | D. | 0 of 250 | none before the time was over |\n" +
		"| `e` | E. | 1 of 50 | none |\n"
	if table != want {
		t.Errorf("got\n%s\nwant\n%s", table, want)
	}
	err := verdict(results)
	if err == nil || !strings.HasPrefix(err.Error(), "3 rules need a look:\nb: nothing") {
		t.Errorf("verdict %v", err)
	}
	if err := verdict(results[:1]); err != nil {
		t.Errorf("verdict %v", err)
	}
}

func TestFlags(t *testing.T) {
	c, err := parse([]string{"-seeds", "10", "-rule", "keep,audit"})
	if err != nil || c.seeds != 10 || c.limit != time.Minute {
		t.Errorf("%+v, %v", c, err)
	}
	var names []string
	for _, r := range pick([]rule{{name: "keep"}, {name: "audit"}, {name: "keepOwn"}, {name: "forget"}}, c.only) {
		names = append(names, r.name)
	}
	if !slices.Equal(names, []string{"keep", "audit", "keepOwn"}) {
		t.Errorf("picked %q", names)
	}
	for _, bad := range [][]string{{"-batch", "0"}, {"more"}, {"-nosuch"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
