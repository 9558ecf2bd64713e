package redisstore

import (
	"strconv"

	"github.com/redis/rueidis"
)

// maxArgs bounds what args builds.
const maxArgs = 20

// args builds a key and the arguments of a script in one piece of memory.
type args struct {
	buf  []byte
	ends [maxArgs]int
	n    int
}

// newArgs has room for a number of bytes.
func newArgs(size int) args { return args{buf: make([]byte, 0, size)} }

// end ends the argument that was appended to buf.
func (a *args) end() *args {
	a.ends[a.n] = len(a.buf)
	a.n++
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

// expiry adds a time as expiry.lua wants it; 0: never.
func (a *args) expiry(ms int64) *args {
	a.buf = appendExpiry(a.buf, ms)
	return a.end()
}

// list hands it all out; the builder is of no use after that.
func (a *args) list(dst []string) []string {
	all, from := rueidis.BinaryString(a.buf), 0
	for _, to := range a.ends[:a.n] {
		dst, from = append(dst, all[from:to]), to
	}
	return dst
}

const never = "9999999999999"

// appendExpiry appends a time, Unix ms, as expiry.lua wants it: less a second,
// and with 13 digits or more; 0: never.
func appendExpiry(dst []byte, ms int64) []byte {
	if ms == 0 {
		return append(dst, never...)
	}
	n := max(ms-1000, 0)
	for pad := int64(1e12); pad > max(n, 1); pad /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

func expiry(ms int64) string { return string(appendExpiry(nil, ms)) }
