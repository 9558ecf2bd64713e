package main

import (
	"strings"
	"testing"
)

const sample = `package p

import (
	"context"
	"fmt"
	"math/rand/v2"
	other "strings"
)

type box[T any] struct{ v T }

// with returns its value.
func (b *box[T]) with(ctx context.Context) (T, error) {
	if b == nil {
		return *new(T), fmt.Errorf("no box")
	}
	return b.v, nil
}

func with() int { return rand.Int() + len(other.Fields("")) }
`

func TestEdit(t *testing.T) {
	for name, c := range map[string]struct {
		edit edit
		want []string // in what comes out
		err  string
	}{
		"method": {
			edit{file: "f.go", fn: "box.with", body: "return b.v, nil"},
			[]string{"(T, error) {\nreturn b.v, nil\n}", "\t_ \"fmt\"", "\t\"context\"", "return rand.Int()"}, "",
		},
		"function": {
			edit{file: "f.go", fn: "with", body: "return 0"},
			[]string{"func with() int {\nreturn 0\n}", "\t_ \"math/rand/v2\"", "\t_ \"strings\"", "\t\"fmt\""}, "",
		},
		"one place": {
			edit{file: "f.go", fn: "box.with", old: "b == nil", new: "false"}, []string{"if false {", "\t\"fmt\""}, "",
		},
		"no function":       {edit{file: "f.go", fn: "without"}, nil, "no function without"},
		"of another type":   {edit{file: "f.go", fn: "crate.with"}, nil, "no function crate.with"},
		"not there":         {edit{file: "f.go", fn: "with", old: "b == nil", new: "false"}, nil, "0 times"},
		"more than once":    {edit{file: "f.go", fn: "box.with", old: "return", new: ""}, nil, "2 times"},
		"what is no Go":     {edit{file: "f.go", fn: "with", body: "return ("}, nil, "expected"},
		"a body that ended": {edit{file: "f.go", fn: "with", body: "return 0 } func ("}, nil, "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.edit.apply([]byte(sample))
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want one with %q", err, c.err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(got), want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
		})
	}
}
