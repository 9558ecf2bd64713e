package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// overlay returns the files of the module as they are with a rule switched off, by
// their path.
func overlay(root string, r rule) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, e := range r.edits {
		name := filepath.Join(root, filepath.FromSlash(e.file))
		src, ok := files[name]
		if !ok {
			var err error
			if src, err = os.ReadFile(name); err != nil {
				return nil, fmt.Errorf("rule %s: %w", r.name, err)
			}
		}
		src, err := e.apply(src)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %s: %w", r.name, e.file, err)
		}
		files[name] = src
	}
	return files, nil
}

// apply carries out an edit.
func (e edit) apply(src []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, e.file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	d := find(file, e.fn)
	if d == nil {
		return nil, fmt.Errorf("there is no function %s", e.fn)
	}
	begin, end := fset.Position(d.Body.Lbrace).Offset+1, fset.Position(d.Body.Rbrace).Offset
	body := e.body
	if e.old != "" {
		was := string(src[begin:end])
		if n := strings.Count(was, e.old); n != 1 {
			return nil, fmt.Errorf("%s has %q %d times, not once", e.fn, e.old, n)
		}
		body = strings.Replace(was, e.old, e.new, 1)
	}
	out := slices.Concat(src[:begin], []byte("\n"+body+"\n"), src[end:])
	return blankImports(out)
}

// find returns a function by its name, or a method by "type.name".
func find(file *ast.File, name string) *ast.FuncDecl {
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.FuncDecl)
		if !ok || d.Body == nil {
			continue
		}
		full := d.Name.Name
		if d.Recv != nil {
			full = receiver(d.Recv.List[0].Type) + "." + full
		}
		if full == name {
			return d
		}
	}
	return nil
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// blankImports gives the imports that nothing uses any more the name _.
func blankImports(src []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	unused := slices.DeleteFunc(slices.Clone(file.Imports), func(s *ast.ImportSpec) bool { return used[importName(s)] })
	slices.SortFunc(unused, func(a, b *ast.ImportSpec) int { return cmp.Compare(b.Pos(), a.Pos()) }) // the last first
	for _, s := range unused {
		at, end := fset.Position(s.Pos()).Offset, fset.Position(s.Path.Pos()).Offset
		src = slices.Concat(src[:at], []byte("_ "), src[end:])
	}
	return bytes.Clone(src), nil
}

// importName is by what name a file uses an import, if the package is called like
// the last part of its path that is no version.
func importName(s *ast.ImportSpec) string {
	if s.Name != nil {
		return s.Name.Name
	}
	p, err := strconv.Unquote(s.Path.Value)
	if err != nil {
		return ""
	}
	if v := path.Base(p); len(v) > 1 && v[0] == 'v' && strings.Trim(v[1:], "0123456789") == "" {
		p = path.Dir(p)
	}
	return path.Base(p)
}
