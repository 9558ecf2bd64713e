package record

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Records, in Go. Their form is described in doc.go.

// version is the version of records and of messages on the bridge that is written.
const version = "1"

// versionOf are the version of a member's record and the fields that end its header,
// each with its tab: those that this version does not know.
func versionOf(newer string) (number, more string) {
	if newer == "" {
		return version, ""
	}
	if i := strings.IndexByte(newer, '\t'); i >= 0 {
		return newer[:i], newer[i:]
	}
	return newer, ""
}

// AppendRecord appends a record but for its state and last line. newer is what it has
// of a later version.
func AppendRecord(dst []byte, m *store.Member, newer string, intent store.Intent) []byte {
	number, more := versionOf(newer)
	dst = appendKnown(dst, number, m, m.Epoch, m.Write)
	dst = append(dst, m.ConnID...)
	dst = append(dst, '\t', byte(intent), '\t')
	dst = appendNums(dst, m.JoinedMs, m.GraceMs, m.UntilMs)
	if m.Away {
		dst = append(dst, 'a')
	}
	dst = append(dst, '\t')
	dst = append(append(dst, m.Lost...), '\t')
	dst = append(appendToken(dst, m.Token), '\t')
	dst = append(append(dst, m.Life...), more...)
	return append(dst, '\n')
}

// appendKnown appends a record up to the user, with the numbers given.
func appendKnown(dst []byte, number string, m *store.Member, epoch, write int64) []byte {
	dst = append(append(dst, number...), '\t')
	dst = appendNums(dst, epoch, write)
	dst = append(append(dst, m.Owner...), '\t')
	return append(append(dst, m.UserID...), '\t')
}

// appendPosition appends a position, in the form of the field "at".
func appendPosition(dst []byte, seq int64, born string) []byte {
	dst = append(strconv.AppendInt(dst, seq, 10), ' ')
	return append(dst, born...)
}

// ParsePosition reads a position in the form of the field "at".
func ParsePosition(s string) (store.Position, error) {
	digits, born, ok := strings.Cut(s, " ")
	seq, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || seq < 0 {
		return store.Position{}, ErrFields
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

// parseRecord reads a record of a room.
func parseRecord(room, text string) (e store.Event, err error) {
	err = readRecord(&e, room, text)
	return e, err
}

// readRecord reads a record of a room into an empty event. What it reads shares memory
// with the text.
func readRecord(e *store.Event, room, text string) error {
	first, last := strings.IndexByte(text, '\n'), strings.LastIndexByte(text, '\n')
	if first == last {
		return ErrFields
	}
	e.Room = room
	if err := readLast(e, text[last+1:]); err != nil {
		return err
	}
	f, m := Fields{Rest: text[:first]}, &e.Member
	number := f.version()
	m.Epoch, m.Write, m.Owner, m.UserID, m.ConnID = f.num(), f.num(), f.text(), f.text(), f.text()
	e.Intent = f.intent()
	m.JoinedMs, m.GraceMs, m.UntilMs = f.num(), f.num(), f.num()
	m.Away = f.text() == "a"
	if lost := f.text(); lost != "" { // an empty part would hold on to the text
		m.Lost = store.Reason(lost)
	}
	m.Token = f.token()
	if life := f.text(); life != "" {
		m.Life = life
	}
	if f.Err != nil {
		return f.Err
	}
	if e.Intent == store.IntentLeave {
		e.Reason = m.Lost
		e.Member = store.Member{
			ConnID: m.ConnID, UserID: m.UserID, Owner: m.Owner, Epoch: m.Epoch, Life: m.Life, JoinedMs: m.JoinedMs,
		}
		return nil
	}
	if !f.done {
		m.Newer = number + text[first-len(f.Rest)-1:first]
	} else if number != version {
		m.Newer = strings.Clone(number)
	}
	m.Seq = e.Seq
	if m.JoinedMs == 0 {
		m.JoinedMs = e.AtMs
	}
	m.State = bytesOf(text[first+1 : max(first+1, last)])
	return nil
}

// readLast reads the last line of a record.
func readLast(e *store.Event, line string) error {
	f := Fields{Rest: line}
	e.Position = f.position()
	e.AtMs, e.UserConns = f.millis(), int(f.num())
	e.Prev = e.Seq - 1
	if !f.done {
		e.Prev = f.num()
	}
	if !f.done {
		e.Reset = f.text() == "r"
	}
	return f.Err
}

func (f *Fields) position() store.Position {
	p, err := ParsePosition(f.text())
	if err != nil {
		f.Err = err
	}
	return p
}

// bytesOf returns the bytes of a text without copying. They must not be written to.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// version reads the number of a version.
func (f *Fields) version() string {
	s := f.text()
	if s == "" || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		f.Err = ErrFields
	}
	return s
}

// intent reads an intent. One that is of a later version is shown as what a node's
// replica lacks of the member.
func (f *Fields) intent() store.Intent {
	s := f.text()
	if len(s) != 1 {
		f.Err = ErrFields
		return 0
	}
	switch i := store.Intent(s[0]); i {
	case store.IntentJoin, store.IntentUpdate, store.IntentResume, store.IntentLeave:
		return i
	}
	return store.IntentRestore
}

// millis reads a time in the two fields that TIME answers.
func (f *Fields) millis() int64 {
	sec, us := f.num(), f.num()
	if sec > 1<<50 || us >= 1e6 {
		f.Err = ErrFields
	}
	return sec*1000 + us/1000
}

func (f *Fields) token() (d store.Digest) {
	s := f.text()
	if s == "" {
		return d
	}
	if len(s) != hex.EncodedLen(len(d)) {
		f.Err = ErrFields
		return d
	}
	if _, err := hex.Decode(d[:], bytesOf(s)); err != nil {
		f.Err = ErrFields
	}
	return d
}

// ParseMember reads the field of a member in its room.
func ParseMember(connID, text string) (store.Member, error) {
	e, err := parseRecord("", text)
	if err == nil && (e.Member.ConnID != connID || e.Intent == store.IntentLeave) {
		err = ErrFields
	}
	if err != nil {
		return store.Member{}, fmt.Errorf("member %q: %w", connID, err)
	}
	return e.Member, nil
}
