package main

import (
	"fmt"
	"strings"
)

// page is the Markdown of what was found.
func page(c config, results []result) string {
	var b strings.Builder
	skipped := ""
	if c.skip != "" {
		skipped = "\nSome tests did not run (`-skip`): those that take long."
	}
	fmt.Fprintf(&b, `# What notices when a repair rule is missing

Made by `+"`make ablate`"+`; do not edit. Each rule of presence that repairs something is switched off, alone, in a test
binary; then the unit tests of the packages that it is part of run until %d fail, and up to %d seeds of the simulation
until some of a batch fail. A rule that nothing notices needs a test, or is not needed. The rules and
what switches them off are listed in `+"`internal/ablate/rules.go`"+`.%s

| Rule | What it is for | Seeds that failed | Tests that failed |
| --- | --- | --- | --- |
`, c.tests, c.seeds, skipped)
	for i := range results {
		r := &results[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.rule.name, cell(r.rule.why), r.seedCell(), r.testCell())
	}
	return b.String()
}

func (r *result) seedCell() string {
	if r.err != nil {
		return "not tried"
	}
	return fmt.Sprintf("%d of %d", r.failed(), r.run)
}

func (r *result) testCell() string {
	switch {
	case r.err != nil:
		return cell(r.err.Error())
	case len(r.tests) > 0:
		return cell(strings.Join(r.tests, ", "))
	case r.late:
		return "none before the time was over"
	case r.failed() > 0:
		return "none"
	}
	return "**nothing notices**"
}

// cell makes a text one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("\n", " ", "|", `\|`).Replace(text)
}
