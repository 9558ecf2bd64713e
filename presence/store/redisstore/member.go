package redisstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// The value of a member's field in its room: a version byte, a header that
// scripts read, and the state, which they do not. Header fields are separated
// by tabs and ended by a line break:
//
//	seq epoch write owner joined grace until flags lost token user
//
// flags is "a" for away; token is the digest in hex, empty for none.

// version is the version of member values and of messages on the bridge.
const version = '1'

// errVersion says that something was written by a newer node.
var errVersion = errors.New("of a version that this node does not know")

// appendMember appends the value of a member; its ConnID is not part of it.
func appendMember(dst []byte, m *store.Member) []byte {
	dst = append(dst, version)
	dst = appendNums(dst, m.Seq, m.Epoch, m.Write)
	dst = append(dst, m.Owner...)
	dst = append(dst, '\t')
	dst = appendNums(dst, m.JoinedMs, m.GraceMs)
	dst = appendLoss(dst, m)
	dst = append(dst, '\t')
	dst = appendToken(dst, m.Token)
	dst = append(dst, '\t')
	dst = append(dst, m.UserID...)
	dst = append(dst, '\n')
	return append(dst, m.State...)
}

func appendNums(dst []byte, nums ...int64) []byte {
	for _, n := range nums {
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, '\t')
	}
	return dst
}

// appendLoss appends until, flags and lost.
func appendLoss(dst []byte, m *store.Member) []byte {
	dst = appendNums(dst, m.UntilMs)
	if m.Away {
		dst = append(dst, 'a')
	}
	dst = append(dst, '\t')
	return append(dst, m.Lost...)
}

func appendToken(dst []byte, d store.Digest) []byte {
	if d == (store.Digest{}) {
		return dst
	}
	return hex.AppendEncode(dst, d[:])
}

// parseMember reads the value of a member's field.
func parseMember(connID, value string) (store.Member, error) {
	if value == "" || value[0] != version {
		return store.Member{}, fmt.Errorf("member %q: %w", connID, errVersion)
	}
	f, state, err := header(value[1:])
	if err != nil {
		return store.Member{}, fmt.Errorf("member %q: %w", connID, err)
	}
	m := store.Member{
		ConnID: connID,
		Seq:    f.num(), Epoch: f.num(), Write: f.num(),
		Owner:    f.text(),
		JoinedMs: f.num(), GraceMs: f.num(), UntilMs: f.num(),
		Away:   f.flag("a"),
		Lost:   store.Reason(f.text()),
		Token:  f.token(),
		UserID: f.text(),
	}
	if err := f.end(); err != nil {
		return store.Member{}, fmt.Errorf("member %q: %w", connID, err)
	}
	if state != "" {
		m.State = []byte(state)
	}
	return m, nil
}

// flag reads a field that is either the given text or empty.
func (f *fields) flag(set string) bool {
	s := f.text()
	if s != "" && s != set {
		f.err = errFields
	}
	return s == set
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
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		f.err = errFields
	}
	return d
}
