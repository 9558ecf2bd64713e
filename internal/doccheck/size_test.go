package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What can be read in one sitting, tests left out.
const (
	mostFiles = 12
	mostLines = 2500
)

// The packages of presence are small. One that outgrows this has more than one concept.
func TestPackagesOfPresenceAreSmall(t *testing.T) {
	files, lines := map[string]int{}, map[string]int{}
	err := filepath.WalkDir("../../presence", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "storetest" {
			return fs.SkipDir // it is a test
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		files[dir]++
		lines[dir] += bytes.Count(text, []byte("\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d packages found", len(files))
	}
	for dir, n := range files {
		if n > mostFiles || lines[dir] > mostLines {
			t.Errorf("%s has %d files, %d lines; at most %d and %d", dir, n, lines[dir], mostFiles, mostLines)
		}
	}
}
