package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers has every package of the module, from the top down: a package imports only
// those of layers below its own, so that imports go one way. A path that ends with
// /... stands for all packages below it that no longer path names.
//
// The packages below presence/internal are under socketio and engineio, but for the
// cluster adapter: presence alone brings the two together. Nobody else can import them,
// whatever stands here.
var layers = [][]string{
	{"cmd/...", "examples/...", "bench", "internal/redistest/redisrig", "internal/ablate", "internal/doccheck"},
	{"internal/bench", "internal/bench/benchtest", "internal/chaos", "internal/config", "internal/exampletest", "internal/listen", "presence/internal/largenode"},
	{"internal/client", "internal/redistest"},
	{"presence/redis"},
	{"presence"},
	{"presence/internal/cluster"},
	{"socketio"},
	{"engineio"},
	{"presence/internal/engine"},
	{"presence/internal/sessions"},
	{"presence/internal/owned"},
	{"presence/internal/rooms"},
	{"presence/internal/core", "presence/internal/fold"},
	{"presence/internal/replica", "presence/internal/member", "presence/internal/node"},
	{"presence/internal/wire", "presence/internal/serial", "presence/internal/store/..."},
	{"presence/internal/store/redisstore/channels"},
	{"presence/internal/store/redisstore/topology"},
	{"presence/internal/store/redisstore/pipeline"},
	{"presence/internal/store/redisstore/access"},
	{"presence/internal/store/redisstore/record", "presence/internal/store/redisstore/respconn"},
	{"presence/internal/store", "presence/internal/clock"},
	{"internal/..."},
	{"internal/rawio"},
}

// TestImportsGoDown fails when a package imports one of its own layer or of a higher
// one. Tests may import what they like.
func TestImportsGoDown(t *testing.T) {
	imports, err := importsOf("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(imports) < 10 {
		t.Fatalf("only %d packages found", len(imports))
	}
	for _, fault := range upward(layers, imports) {
		t.Error(fault)
	}
}

func TestUpwardImportsAreFound(t *testing.T) {
	table := [][]string{{"top"}, {"middle", "other"}, {"low/..."}, {"low/high/...", "low"}, {"low/lowest"}}
	for _, tc := range []struct {
		importer, imported string
		fault              bool
	}{
		{"top", "middle", false},
		{"top", "low/lowest", false},
		{"middle", "top", true},
		{"middle", "other", true},
		{"low/a", "low/lowest", false},
		{"low/a/b", "low/a", true},
		{"low/lowest", "low/a", true},
		{"low/a", "low/high/a", false},
		{"low/high/a", "low/a", true},
		{"low/a", "low", false},
		{"low", "low/a", true},
		{"low", "unheard", true},
		{"new", "low", true},
	} {
		faults := upward(table, map[string][]string{tc.importer: {tc.imported}})
		if (len(faults) > 0) != tc.fault {
			t.Errorf("%s imports %s: %q", tc.importer, tc.imported, faults)
		}
	}
}

// upward returns what is wrong with the imports of packages.
func upward(layers [][]string, imports map[string][]string) (faults []string) {
	for _, importer := range slices.Sorted(maps.Keys(imports)) {
		from, ok := layerOf(layers, importer)
		if !ok {
			faults = append(faults, fmt.Sprintf("%s has no layer", importer))
			continue
		}
		for _, imported := range imports[importer] {
			if to, ok := layerOf(layers, imported); !ok || to <= from {
				faults = append(faults, fmt.Sprintf("%s imports %s, which is no layer below it", importer, imported))
			}
		}
	}
	return faults
}

// layerOf returns the layer of a package: that of its path, or of the longest path
// with /... that it is below.
func layerOf(layers [][]string, pkg string) (layer int, ok bool) {
	longest := 0
	for i, paths := range layers {
		for _, path := range paths {
			above, all := strings.CutSuffix(path, "/...")
			if path == pkg {
				return i, true
			}
			if all && strings.HasPrefix(pkg, above+"/") && len(above) > longest {
				layer, longest = i, len(above)
			}
		}
	}
	return layer, longest > 0
}

// importsOf returns what the packages of the module import of each other, by their
// paths in it. Tests are left out.
func importsOf(root string) (map[string][]string, error) {
	imports := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		if _, seen := imports[dir]; !seen {
			imports[dir] = nil
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(imports[dir], own) {
				imports[dir] = append(imports[dir], own)
			}
		}
		return nil
	})
	return imports, err
}
