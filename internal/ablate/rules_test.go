package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Each rule names functions that there are, and what it makes of them is Go.
func TestRulesFitTheCode(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rules {
		if names[r.name] {
			t.Errorf("two rules are called %s", r.name)
		}
		names[r.name] = true
		if !strings.HasSuffix(r.why, ".") || len(r.edits) == 0 {
			t.Errorf("%s: says %q and changes %d functions", r.name, r.why, len(r.edits))
		}
		if _, err := overlay("../..", []rule{r}); err != nil {
			t.Error(err)
		}
	}
	// Together they are Go that compiles, too.
	plan, err := writeOverlay("../..", rules, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", plan, "./presence/...")
	cmd.Dir = "../.."
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
