package redisstore

import (
	"errors"
	"strconv"
	"strings"
)

// errFields says that a text of ours is not as we write it.
var errFields = errors.New("malformed")

// fields reads the parts of a header, which a tab ends each, one after the
// other. The first fault sticks.
type fields struct {
	rest string
	err  error
}

func (f *fields) text() string {
	s, rest, ok := strings.Cut(f.rest, "\t")
	if !ok {
		f.err = errFields
	}
	f.rest = rest
	return s
}

// end says whether all parts were as expected, and no more of them there.
func (f *fields) end() error {
	if f.err == nil && f.rest != "" {
		f.err = errFields
	}
	return f.err
}

func (f *fields) num() int64 {
	n, err := strconv.ParseInt(f.text(), 10, 64)
	if err != nil || n < 0 {
		f.err = errFields
		return 0
	}
	return n
}

// header splits a text at its first line break.
func header(s string) (f fields, body string, err error) {
	head, body, ok := strings.Cut(s, "\n")
	if !ok {
		return fields{}, "", errFields
	}
	return fields{rest: head + "\t"}, body, nil
}

// plain says whether an id can stand in a header.
func plain(id string) bool { return !strings.ContainsAny(id, "\t\n") }
