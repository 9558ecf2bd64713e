package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeFile writes a file of a module below root.
func writeFile(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// missingNames are the names that a report misses comments of.
func missingNames(r *report) (names []string) {
	for _, m := range r.missing {
		names = append(names, m[strings.LastIndex(m, " ")+1:])
	}
	return names
}

func TestCheckModule(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) { writeFile(t, root, name, text) }
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
	missing, want := missingNames(bad), []string{"A", "T", "T.Y", "I.Do", "T.M", "G.N", "F", filepath.Join(root, "bad")}
	if !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	if bad.names != 5 || bad.members != 5 {
		t.Errorf("bad: %d names, %d members", bad.names, bad.members)
	}
}

// What an alias makes public is checked where it is declared.
func TestAliasesAreFollowed(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "a/a.go", `// Package a has aliases.
package a

import (
	"`+module+`a/internal/x"
	other "`+module+`b"
)

// T is one.
type T = x.T

// N is one of an alias.
type N = x.N

// P is public already.
type P = other.P

// D is a type of its own, without the methods of the other.
type D x.T
`)
	writeFile(t, root, "a/internal/x/x.go", `package x

import "`+module+`a/internal/y"

// T is a thing.
type T struct {
	// A is documented.
	A int

	B int
	c int
}

type N = y.N

type other struct{ Hidden int }

func (other) M() {}
`)
	writeFile(t, root, "a/internal/x/more.go", "package x\n\n// M is documented.\nfunc (*T) M() {}\n\nfunc (T) O() {}\n")
	writeFile(t, root, "a/internal/x/x_test.go", "package x\n\nfunc (T) Test() {}\n")
	writeFile(t, root, "a/internal/y/y.go", "package y\n\n// N is an interface.\ntype N interface {\n\tDo()\n}\n")
	writeFile(t, root, "b/b.go", "// Package b is public.\npackage b\n\n// P is a thing.\ntype P struct{ F int }\n")

	reports, err := checkModule(root)
	if err != nil {
		t.Fatal(err)
	}
	public := slices.Sorted(slices.Values(reports[0].public))
	if want := []string{"D type", "N type", "N.Do method", "P type", "T type", "T.A field", "T.B field", "T.M method", "T.O method"}; !slices.Equal(public, want) {
		t.Errorf("public: %q, want %q", public, want)
	}
	missing := slices.Sorted(slices.Values(missingNames(reports[0])))
	if want := []string{"N.Do", "T.B", "T.O"}; !slices.Equal(missing, want) {
		t.Errorf("missing %q, want %q", missing, want)
	}

	writeFile(t, root, "a/gone.go", "package a\n\nimport \""+module+"a/internal/x\"\n\n// G is not there.\ntype G = x.G\n")
	if _, err := checkModule(root); err == nil {
		t.Error("an alias of a type that is not there is taken")
	}
}
