package main

import (
	"slices"
	"testing"
)

// A rule is tried with the tests of its own package, and of those that import it.
func TestSuites(t *testing.T) {
	list, err := suites(t.Context(), "../..", rules)
	if err != nil {
		t.Fatal(err)
	}
	c := config{suites: list}
	for _, test := range []struct {
		file   string
		want   []string
		others []string
	}{
		{"presence/internal/node/lease.go", []string{"presence/internal/node", "presence"}, []string{"presence/internal/replica"}},
		{"presence/internal/replica/load.go", []string{"presence/internal/replica", "presence"}, []string{"presence/internal/node"}},
		{"", []string{"presence", "presence/internal/node", "presence/internal/replica"}, nil},
	} {
		r := rule{edits: []edit{{file: test.file}}}
		if test.file == "" {
			r.edits = nil
		}
		var got []string
		for _, s := range c.of(r) {
			got = append(got, s.dir)
		}
		for _, dir := range test.want {
			if !slices.Contains(got, dir) {
				t.Errorf("%s: tried with %q, not with %s", test.file, got, dir)
			}
		}
		for _, dir := range test.others {
			if slices.Contains(got, dir) {
				t.Errorf("%s: tried with %q, which does not need it", test.file, got)
			}
		}
		if test.file != "" && len(got) > 0 && got[0] != test.want[0] {
			t.Errorf("%s: tried with %q first", test.file, got[0])
		}
	}
}
