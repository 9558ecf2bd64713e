package redisstore

import (
	"errors"
	"strconv"
	"strings"
)

// errFields says that a text of ours is not as we write it.
var errFields = errors.New("malformed")

// fields reads the parts of a header, which tabs separate, one after the
// other. The first fault sticks. What a later version added at the end is left.
type fields struct {
	rest string
	done bool
	err  error
}

func (f *fields) text() string {
	if f.done {
		f.err = errFields
		return ""
	}
	s, rest, more := strings.Cut(f.rest, "\t")
	f.rest, f.done = rest, !more
	return s
}

func (f *fields) num() int64 {
	n, err := strconv.ParseInt(f.text(), 10, 64)
	if err != nil || n < 0 {
		f.err = errFields
		return 0
	}
	return n
}

// plain says whether an id can stand in a header.
func plain(id string) bool { return !strings.ContainsAny(id, "\t\n") }
