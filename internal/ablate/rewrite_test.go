package main

import (
	"strings"
	"testing"
)

const sample = `package p

type box[T any] struct{ v T }

// with returns its value.
func (b *box[T]) with(ctx context.Context) (v T, err error) {
	if b == nil {
		return *new(T), fmt.Errorf("no box")
	}
	return b.v, nil
}

func with() { println() }
`

func TestEdit(t *testing.T) {
	for name, c := range map[string]struct {
		edit edit
		want string // in what comes out
		err  string
	}{
		"method": {
			edit{fn: "box.with", body: "return b.v, nil"},
			"(v T, err error) {\nif ablatedRule == \"x\" {\nreturn func() (v T, err error) {\nreturn b.v, nil\n}()\n}\n\n\tif b == nil {", "",
		},
		"function":  {edit{fn: "with", body: ""}, "func with() {\nif ablatedRule == \"x\" {\n\nreturn\n}\n println() }", ""},
		"one place": {edit{fn: "box.with", old: "b == nil", new: "false"}, "\n\tif false {\n\t\treturn *new(T), fmt.Errorf(\"no box\")", ""},

		"no function":    {edit{fn: "without"}, "", "no function without"},
		"of another":     {edit{fn: "crate.with"}, "", "no function crate.with"},
		"not there":      {edit{fn: "with", old: "b == nil", new: "false"}, "", "0 times"},
		"more than once": {edit{fn: "box.with", old: "return", new: ""}, "", "2 times"},
		"what is no Go":  {edit{fn: "with", body: "println("}, "", "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parseSource([]byte(sample))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			if err = s.add("x", c.edit); err == nil {
				got, err = s.text()
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want one with %q", err, c.err)
			}
			if err == nil && !strings.Contains(string(got), c.want) {
				t.Errorf("%q is not in\n%s", c.want, got)
			}
		})
	}
}

// Two rules may change the same function.
func TestTwoEdits(t *testing.T) {
	s, err := parseSource([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{"x", "y"} {
		if err := s.add(rule, edit{fn: "with"}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.text()
	if err != nil || strings.Count(string(got), "if ablatedRule == ") != 2 {
		t.Errorf("%v:\n%s", err, got)
	}
}
