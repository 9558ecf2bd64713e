package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/goast"
)

// module is the path of the module, before those of its packages.
const module = "github.com/realtime-ai/realtime-message-go/"

// A report is what was found in one package.
type report struct {
	dir     string
	names   int      // exported constants, variables, functions and types
	members int      // exported methods, struct fields and interface methods
	public  []string // all of them, as "Config.Engine field"
	missing []string // position and name of each that has no comment
}

// checkModule checks every package below root that other modules can import.
func checkModule(root string) ([]*report, error) {
	packages := map[string]*checker{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(path, root, d.Name())
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil || file.Name.Name == "main" {
			return err
		}
		dir := filepath.Dir(path)
		if packages[dir] == nil {
			packages[dir] = &checker{report: report{dir: dir}}
		}
		packages[dir].check(fset, file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading packages: %w", err)
	}
	var reports []*report
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		p := packages[dir]
		for _, a := range p.aliases {
			if err := p.follow(root, a); err != nil {
				return nil, err
			}
		}
		if !p.documented {
			p.missing = append(p.missing, "package "+dir)
		}
		reports = append(reports, &p.report)
	}
	return reports, nil
}

func skipDir(path, root, name string) error {
	if path == root {
		return nil
	}
	if name == "internal" || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") {
		return fs.SkipDir
	}
	return nil
}

type checker struct {
	report
	documented bool // the package itself
	aliases    []alias
	fset       *token.FileSet
	file       *ast.File
}

func (c *checker) check(fset *token.FileSet, file *ast.File) {
	c.fset, c.file = fset, file
	c.documented = c.documented || file.Doc != nil
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			c.function(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				c.spec(d, spec)
			}
		}
	}
}

func (c *checker) function(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	if d.Recv == nil {
		c.name(d.Name, "func", d.Doc != nil)
	} else if owner := goast.Receiver(d.Recv.List[0].Type); ast.IsExported(owner) {
		c.member(owner, d.Name, "method", d.Doc != nil)
	}
}

// spec checks one line of a declaration. The comment of a group of constants
// or variables documents all of them.
func (c *checker) spec(group *ast.GenDecl, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() {
				c.name(name, group.Tok.String(), group.Doc != nil || s.Doc != nil || s.Comment != nil)
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		documented := s.Doc != nil || (group.Doc != nil && !group.Lparen.IsValid())
		c.name(s.Name, "type", documented)
		c.typeMembers(s.Name.Name, s, documented)
	}
}

// typeMembers checks the fields or methods that a type is declared with, and notes an
// alias for follow.
func (c *checker) typeMembers(owner string, s *ast.TypeSpec, documented bool) {
	switch t := s.Type.(type) {
	case *ast.StructType:
		c.fields(owner, "field", t.Fields, documented)
	case *ast.InterfaceType:
		c.fields(owner, "method", t.Methods, false)
	case *ast.SelectorExpr:
		if dir := c.internalDir(t); s.Assign.IsValid() && dir != "" {
			c.aliases = append(c.aliases, alias{owner: owner, dir: dir, of: t.Sel.Name})
		}
	}
}

// fields checks struct fields or interface methods. A comment also documents
// those that follow it without a blank line, and so does the comment of a
// struct, when documented says that it has one. What is embedded brings its own.
func (c *checker) fields(owner, kind string, list *ast.FieldList, documented bool) {
	end := c.fset.Position(list.Opening).Line
	for _, f := range list.List {
		line := c.fset.Position(f.Pos()).Line
		documented = f.Doc != nil || f.Comment != nil || (documented && line == end+1)
		end = c.fset.Position(f.End()).Line
		for _, name := range f.Names {
			if name.IsExported() {
				c.member(owner, name, kind, documented)
			}
		}
	}
}

// name counts an exported constant, variable, function or type.
func (c *checker) name(at *ast.Ident, kind string, documented bool) {
	c.names++
	c.public = append(c.public, at.Name+" "+kind)
	c.need(documented, at, at.Name)
}

// member counts an exported method or field of an exported type.
func (c *checker) member(owner string, at *ast.Ident, kind string, documented bool) {
	c.members++
	c.public = append(c.public, owner+"."+at.Name+" "+kind)
	c.need(documented, at, owner+"."+at.Name)
}

func (c *checker) need(documented bool, at ast.Node, name string) {
	if !documented {
		c.missing = append(c.missing, fmt.Sprintf("%s: %s", c.fset.Position(at.Pos()), name))
	}
}
