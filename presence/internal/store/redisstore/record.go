package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// The field of a member in its room holds the record of its last write, which
// is also what was published then: a first line with the fields, separated by
// tabs,
//
//	version epoch write owner user conn intent joined grace until flags lost token
//
// then the state, which scripts do not read, and on the last line, which is
// theirs to write,
//
//	at sec us conns before reset
//
// flags are "a" for away and, with a leave, "e" when the room went too; lost is
// the reason of a leave; token is the digest in hex, empty for none. at is seq
// and born; sec and us are the time of the write, at which the member joined if
// joined is 0; before is the seq before, left out where that is seq - 1; reset
// is "r" or left out.

// version is the version of records and of messages on the bridge.
const version = '1'

// errVersion says that something was written by a newer node.
var errVersion = errors.New("of a version that this node does not know")

// appendRecord appends a record but for its state and last line.
func appendRecord(dst []byte, m *store.Member, intent store.Intent) []byte {
	dst = appendKnown(dst, m, m.Epoch, m.Write)
	dst = append(dst, m.ConnID...)
	dst = append(dst, '\t', byte(intent), '\t')
	dst = appendNums(dst, m.JoinedMs, m.GraceMs, m.UntilMs)
	if m.Away {
		dst = append(dst, 'a')
	}
	dst = append(dst, '\t')
	dst = append(append(dst, m.Lost...), '\t')
	dst = appendToken(dst, m.Token)
	return append(dst, '\n')
}

// appendKnown appends a record up to the user, with the numbers given.
func appendKnown(dst []byte, m *store.Member, epoch, write int64) []byte {
	dst = append(dst, version, '\t')
	dst = appendNums(dst, epoch, write)
	dst = append(append(dst, m.Owner...), '\t')
	return append(append(dst, m.UserID...), '\t')
}

// appendPosition appends where a room stands, as its field "at" has it.
func appendPosition(dst []byte, seq int64, born string) []byte {
	dst = append(strconv.AppendInt(dst, seq, 10), ' ')
	return append(dst, born...)
}

func parsePosition(s string) (store.Position, error) {
	digits, born, ok := strings.Cut(s, " ")
	seq, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || seq < 0 {
		return store.Position{}, errFields
	}
	return store.Position{Seq: seq, Born: born}, nil
}

func appendNums(dst []byte, nums ...int64) []byte {
	for _, n := range nums {
		dst = append(strconv.AppendInt(dst, n, 10), '\t')
	}
	return dst
}

func appendToken(dst []byte, d store.Digest) []byte {
	if d == (store.Digest{}) {
		return dst
	}
	return hex.AppendEncode(dst, d[:])
}

// record is what a record says.
type record struct {
	store.Event
	// last: the room went with the member.
	last bool
}

// parseRecord reads a record of a room.
func parseRecord(room, text string) (r record, err error) {
	err = r.parse(room, text)
	return r, err
}

// parse reads a record of a room into an empty one; it wraps errVersion when a
// newer node wrote it. What it reads shares memory with the text.
func (r *record) parse(room, text string) error {
	if len(text) < 2 || text[0] != version || text[1] != '\t' {
		return errVersion
	}
	first, last := strings.IndexByte(text, '\n'), strings.LastIndexByte(text, '\n')
	if first == last {
		return errFields
	}
	r.Room = room
	if err := r.parseLast(text[last+1:]); err != nil {
		return err
	}
	f, m := fields{rest: text[2:first]}, &r.Member
	m.Epoch, m.Write, m.Owner, m.UserID, m.ConnID = f.num(), f.num(), f.text(), f.text(), f.text()
	r.Intent = f.intent()
	m.JoinedMs, m.GraceMs, m.UntilMs = f.num(), f.num(), f.num()
	flags := f.text()
	if lost := f.text(); lost != "" { // an empty part would hold on to the text
		m.Lost = store.Reason(lost)
	}
	m.Token = f.token()
	if err := f.end(); err != nil {
		return err
	}
	state := text[first+1 : max(first+1, last)]
	if r.Intent == store.IntentLeave {
		return r.left(flags, state)
	}
	m.Seq = r.Seq
	if m.JoinedMs == 0 {
		m.JoinedMs = r.AtMs
	}
	if m.Away = flags == "a"; !m.Away && flags != "" {
		return errFields
	}
	m.State = bytesOf(state)
	return nil
}

// parseLast reads the last line of a record.
func (r *record) parseLast(line string) error {
	f := fields{rest: line}
	r.Position = f.position()
	r.AtMs, r.UserConns = f.millis(), int(f.num())
	r.Prev = r.Seq - 1
	if !f.done {
		r.Prev = f.num()
	}
	if !f.done {
		r.Reset = f.text() == "r"
		if !r.Reset {
			f.err = errFields
		}
	}
	return f.end()
}

func (f *fields) position() store.Position {
	p, err := parsePosition(f.text())
	if err != nil {
		f.err = err
	}
	return p
}

// left makes the record that of a leave.
func (r *record) left(flags, state string) error {
	m := &r.Member
	if r.last = flags == "e"; !r.last && flags != "" || state != "" {
		return errFields
	}
	r.Reason = m.Lost
	*m = store.Member{ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Epoch: m.Epoch}
	return nil
}

// bytesOf are the bytes of a text, for those who do not write to them.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

func (f *fields) intent() store.Intent {
	s := f.text()
	if len(s) != 1 {
		f.err = errFields
		return 0
	}
	return store.Intent(s[0])
}

// millis reads a time in the two fields that TIME answers.
func (f *fields) millis() int64 {
	sec, us := f.num(), f.num()
	if sec > 1<<50 || us >= 1e6 {
		f.err = errFields
	}
	return sec*1000 + us/1000
}

func (f *fields) token() (d store.Digest) {
	s := f.text()
	if s == "" {
		return d
	}
	if len(s) != hex.EncodedLen(len(d)) {
		f.err = errFields
		return d
	}
	if _, err := hex.Decode(d[:], bytesOf(s)); err != nil {
		f.err = errFields
	}
	return d
}

// parseMember reads the field of a member in its room.
func parseMember(connID, text string) (store.Member, error) {
	r, err := parseRecord("", text)
	if err == nil && (r.Member.ConnID != connID || r.Intent == store.IntentLeave) {
		err = errFields
	}
	if err != nil {
		return store.Member{}, fmt.Errorf("member %q: %w", connID, err)
	}
	return r.Member, nil
}
