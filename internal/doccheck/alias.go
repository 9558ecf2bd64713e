package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/goast"
)

// alias is an exported name for a type of an internal package. The fields and methods of
// that type are public under this name, and documented where the type is declared.
type alias struct {
	owner string // the exported name
	dir   string // of the internal package, in the module, with slashes
	of    string // the name of the type there
}

// internalDir is the directory of the package that a name is selected from; empty if it is
// not an internal one of this module.
func (c *checker) internalDir(t *ast.SelectorExpr) string {
	pkg, ok := t.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range c.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		dir, own := strings.CutPrefix(imported, module)
		if name == pkg.Name && own && slices.Contains(strings.Split(dir, "/"), "internal") {
			return dir
		}
	}
	return ""
}

// follow checks the fields and methods of the type that an alias is for. It is an error
// if there is no such type.
func (c *checker) follow(root string, a alias) error {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(a.dir), "*.go"))
	if err != nil {
		return err
	}
	before, found := len(c.aliases), false
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		c.fset = token.NewFileSet()
		c.file, err = parser.ParseFile(c.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("reading packages: %w", err)
		}
		for _, decl := range c.file.Decls {
			found = c.aliased(a, decl) || found
		}
	}
	if !found {
		return fmt.Errorf("%s.%s is for %s.%s, which is not there", c.dir, a.owner, a.dir, a.of)
	}
	further := slices.Clone(c.aliases[before:]) // the type is an alias itself
	c.aliases = c.aliases[:before]
	for _, next := range further {
		if err := c.follow(root, next); err != nil {
			return err
		}
	}
	return nil
}

// aliased checks what a declaration of the internal package says about the type of an
// alias. It reports whether it declares the type.
func (c *checker) aliased(a alias, decl ast.Decl) (found bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && d.Name.IsExported() && goast.Receiver(d.Recv.List[0].Type) == a.of {
			c.member(a.owner, d.Name, "method", d.Doc != nil)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok && s.Name.Name == a.of {
				found = true
				c.typeMembers(a.owner, s, s.Doc != nil || d.Doc != nil && !d.Lparen.IsValid())
			}
		}
	}
	return found
}
