package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheckModule(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("good/good.go", `// Package good is documented.
package good

// Kinds of thing.
const (
	A = 1
	B = 2
)

// T is a thing with a name.
type T struct {
	Name string

	// X and Y are its place.
	X int
	Y int

	Z int // depth
	hidden int
}

// M does it.
func (t *T) M() {}

type private struct{ Field int }

func (private) Method() {}
`)
	write("bad/bad.go", `package bad

const A = 1

type T struct {
	// X is documented.
	X int

	Y int
}

type (
	// I is documented.
	I interface{ Do() }
)

func (t *T) M() {}
func (G[K]) N() {}
func F()        {}
func f()        {}

// G is generic.
type G[K any] struct{ T }
`)
	write("bad/bad_test.go", "package bad\n\nfunc Exported() {}\n")
	write("internal/x/x.go", "package x\n\nfunc Exported() {}\n")
	write("cmd/x/x.go", "package main\n\nfunc Exported() {}\n")

	reports, err := checkModule(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 2 {
		t.Fatalf("%d packages, want good and bad", len(reports))
	}
	bad, good := reports[0], reports[1]
	if good.names != 3 || good.members != 5 || len(good.missing) != 0 {
		t.Errorf("good: %+v", good)
	}
	var missing []string
	for _, m := range bad.missing {
		missing = append(missing, m[strings.LastIndex(m, " ")+1:])
	}
	want := []string{"A", "T", "T.Y", "I.Do", "T.M", "G.N", "F", filepath.Join(root, "bad")}
	if !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	if bad.names != 5 || bad.members != 5 {
		t.Errorf("bad: %d names, %d members", bad.names, bad.members)
	}
}
