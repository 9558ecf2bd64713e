package record

import (
	"strconv"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// MaxArgs bounds what args builds.
const MaxArgs = 20

// Args builds a key and the arguments of a script in one piece of memory.
type Args struct {
	Buf  []byte
	ends [MaxArgs]int
	n    int
}

// NewArgs has room for a number of bytes.
func NewArgs(size int) Args { return Args{Buf: make([]byte, 0, size)} }

// End ends the argument that was appended to buf.
func (a *Args) End() *Args {
	a.ends[a.n] = len(a.Buf)
	a.n++
	return a
}

// Text adds a text.
func (a *Args) Text(s string) *Args {
	a.Buf = append(a.Buf, s...)
	return a.End()
}

// Num adds a number.
func (a *Args) Num(n int64) *Args {
	a.Buf = strconv.AppendInt(a.Buf, n, 10)
	return a.End()
}

// Expiry adds a time as expiry.lua wants it; 0: never.
func (a *Args) expiry(ms int64) *Args {
	a.Buf = appendExpiry(a.Buf, ms)
	return a.End()
}

// Count is how many arguments have ended.
func (a *Args) Count() int { return a.n }

// List hands it all out; the builder is of no use after that.
func (a *Args) List(dst []string) []string {
	all, from := unsafe.String(unsafe.SliceData(a.Buf), len(a.Buf)), 0
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

// Expiry is a time, Unix ms, as the scripts want it; 0: never.
func Expiry(ms int64) string { return string(appendExpiry(nil, ms)) }

// Member adds the expiry and the member.
func (a *Args) Member(expiresMs int64, connID string) {
	a.expiry(expiresMs)
	a.Buf = append(a.Buf, MemberField...)
	a.Text(connID)
}

// How adds how the stored record begins when this is a usual write, and else
// How to write, by a clock that is ahead by shift.
func (a *Args) How(p *store.Put, newer string, shift int64) *Args {
	switch {
	case p.Quiet || p.KeepState || p.Intent == store.IntentResume:
		a.Buf = append(a.Buf, '-', flag(p.Quiet, 'q'), flag(p.KeepState, 'k'))
		a.Buf = append(strconv.AppendInt(a.Buf, p.Fence, 10), ' ')
		return a.Num(shift)
	case p.Fence == 0:
		return a.Text("+")
	}
	number, _ := versionOf(newer)
	a.Buf = appendKnown(a.Buf, number, &p.Member, p.Fence, p.Member.Write-1)
	return a.End()
}

// From adds the position of the caller's replica, and the position after it.
func (a *Args) From(p store.Position) *Args {
	a.Buf = appendPosition(a.Buf, p.Seq, p.Born)
	a.End()
	a.Buf = appendPosition(a.Buf, p.Seq+1, p.Born)
	return a.End()
}

func flag(set bool, as byte) byte {
	if set {
		return as
	}
	return '-'
}

// Num is a number in decimal digits.
func Num(n int64) string { return strconv.FormatInt(n, 10) }
