package redisstore

import (
	"math/rand/v2"
	"strconv"
)

// args builds a list of strings in one piece of memory.
type args struct {
	buf  []byte
	ends []int
}

func newArgs(n int) *args { return &args{buf: make([]byte, 0, 256), ends: make([]int, 0, n)} }

// end ends the argument that was appended to buf.
func (a *args) end() *args {
	a.ends = append(a.ends, len(a.buf))
	return a
}

func (a *args) text(s string) *args {
	a.buf = append(a.buf, s...)
	return a.end()
}

func (a *args) num(n int64) *args {
	a.buf = strconv.AppendInt(a.buf, n, 10)
	return a.end()
}

// mark adds what tells one life of a room's record from another.
func (a *args) mark() *args {
	a.buf = strconv.AppendUint(a.buf, rand.Uint64(), 36)
	return a.end()
}

func (a *args) list() []string {
	all, from := string(a.buf), 0
	out := make([]string, len(a.ends))
	for i, to := range a.ends {
		out[i], from = all[from:to], to
	}
	return out
}
