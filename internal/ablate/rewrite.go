package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/goast"
)

// switchFile is what an overlay adds to each package that it changes.
const switchFile = "ablate_switch.go"

// ruleVariable is the environment variable that names the rule that is off.
const ruleVariable = "ABLATE_RULE"

// overlay returns files of the module, by their path, in which each of the rules can
// be switched off: one binary serves for all.
func overlay(root string, rules []rule) (map[string][]byte, error) {
	sources := make(map[string]*source)
	for _, r := range rules {
		for _, e := range r.edits {
			s := sources[e.file]
			if s == nil {
				var err error
				if s, err = load(root, e.file); err != nil {
					return nil, fmt.Errorf("rule %s: %w", r.name, err)
				}
				sources[e.file] = s
			}
			if err := s.add(r.name, e); err != nil {
				return nil, fmt.Errorf("rule %s: %s: %w", r.name, e.file, err)
			}
		}
	}
	files := make(map[string][]byte)
	for name, s := range sources {
		text, err := s.text()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[filepath.Join(root, filepath.FromSlash(name))] = text
		files[filepath.Join(root, filepath.FromSlash(path.Dir(name)), switchFile)] = fmt.Appendf(nil,
			"package %s\n\nimport \"os\"\n\nvar ablatedRule = os.Getenv(%q)\n", s.file.Name.Name, ruleVariable)
	}
	return files, nil
}

// source is a file with what is to be put into it.
type source struct {
	src  []byte
	fset *token.FileSet
	file *ast.File
	puts []put
}

// put is a text at an offset.
type put struct {
	at   int
	text string
}

func load(root, name string) (*source, error) {
	src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	return parseSource(src)
}

func parseSource(src []byte) (*source, error) {
	s := &source{src: src, fset: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.fset, "", src, parser.SkipObjectResolution)
	return s, err
}

// add puts what an edit makes of a function before what it does else.
func (s *source) add(rule string, e edit) error {
	d := find(s.file, e.fn)
	if d == nil {
		return fmt.Errorf("there is no function %s", e.fn)
	}
	begin, end := s.at(d.Body.Lbrace)+1, s.at(d.Body.Rbrace)
	body := e.body
	if e.old != "" {
		was := string(s.src[begin:end])
		if n := strings.Count(was, e.old); n != 1 {
			return fmt.Errorf("%s has %q %d times, not once", e.fn, e.old, n)
		}
		body = strings.Replace(was, e.old, e.new, 1)
	}
	text := fmt.Sprintf("\nif ablatedRule == %q {\n%s\nreturn\n}\n", rule, body)
	if results := d.Type.Results; results != nil {
		// A function of its own, so that one that returns nothing does not compile.
		of := string(s.src[s.at(results.Pos()):s.at(results.End())])
		text = fmt.Sprintf("\nif ablatedRule == %q {\nreturn func() %s {\n%s\n}()\n}\n", rule, of, body)
	}
	s.puts = append(s.puts, put{begin, text})
	return nil
}

func (s *source) at(p token.Pos) int { return s.fset.Position(p).Offset }

// text is the file with all that was put into it. It must be Go.
func (s *source) text() ([]byte, error) {
	slices.SortStableFunc(s.puts, func(a, b put) int { return cmp.Compare(a.at, b.at) })
	var out []byte
	last := 0
	for _, p := range s.puts {
		out = append(append(out, s.src[last:p.at]...), p.text...)
		last = p.at
	}
	out = append(out, s.src[last:]...)
	_, err := parser.ParseFile(token.NewFileSet(), "", out, parser.SkipObjectResolution)
	return out, err
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
			full = goast.Receiver(d.Recv.List[0].Type) + "." + full
		}
		if full == name {
			return d
		}
	}
	return nil
}
