package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/public.txt anew")

// mostNames bounds the constants, variables, functions and types that the packages
// of this module export. Methods and fields are listed, and not bounded.
const mostNames = 205

const publicHead = `# What the packages of this module export. A change of it edits this list:
#	go test ./internal/doccheck -run TestPublicNames -update
# %d names (constants, variables, functions and types), %d methods and fields.
`

// TestPublicNames fails when the exported names are not those of the list.
func TestPublicNames(t *testing.T) {
	const root = "../.."
	reports, err := checkModule(root)
	if err != nil {
		t.Fatal(err)
	}
	names, members := 0, 0
	var public []string
	for _, r := range reports {
		names, members = names+r.names, members+r.members
		dir, err := filepath.Rel(root, r.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range r.public {
			public = append(public, filepath.ToSlash(dir)+"."+name)
		}
	}
	slices.Sort(public)
	if names > mostNames {
		t.Errorf("%d public names, want %d at most", names, mostNames)
	}
	const golden = "testdata/public.txt"
	want := fmt.Sprintf(publicHead, names, members) + strings.Join(public, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) == want {
		return
	}
	listed := strings.Split(string(text), "\n")
	for _, name := range public {
		if !slices.Contains(listed, name) {
			t.Errorf("not in %s: %s", golden, name)
		}
	}
	for _, line := range listed {
		if line != "" && line[0] != '#' && !slices.Contains(public, line) {
			t.Errorf("in %s, but nowhere else: %s", golden, line)
		}
	}
	t.Errorf("%s says something else; -update writes it anew", golden)
}
