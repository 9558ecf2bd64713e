package redisstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// StartPut implements store.Store.
func (s *Store) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	u := &unattendedPut{put: p, waiter: w}
	if err := checkPut(p); err != nil {
		u.answered("", err)
		return
	}
	all := s.putArgs(u.list[:0], p)
	s.pipe.start(ctx, &s.publishing.Load().put, run{all[:1], all[1:]}, u)
}

// unattendedPut is a put that no goroutine waits for.
type unattendedPut struct {
	put    *store.Put
	waiter store.PutWaiter
	list   [putArgCount]string
}

func (u *unattendedPut) answered(text string, err error) {
	var res store.PutResult
	if err == nil {
		err = readPut(u.put, text, &res)
	}
	if err != nil {
		res, err = store.PutResult{}, fmt.Errorf("put member %q in room %q: %w", u.put.Member.ConnID, u.put.Room, err)
	}
	u.waiter.PutDone(res, err)
}

// checkPut refuses what a record cannot hold.
func checkPut(p *store.Put) error {
	m := &p.Member
	if !plain(m.ConnID) || !plain(m.UserID) || !plain(m.Owner) || !plain(m.Life) || !plain(string(m.Lost)) ||
		!plain(p.From.Born) || strings.Contains(m.Newer, "\n") {
		return errControl
	}
	return nil
}

// readPut reads the answer to a put.
func readPut(p *store.Put, text string, res *store.PutResult) error {
	if line, ok := strings.CutPrefix(text, "+"); ok {
		return readUsual(p, line, res)
	}
	record := text
	if text == "" || text[0] < '0' || '9' < text[0] { // it does not begin as a record
		head, stands, _ := strings.Cut(text, "\n")
		f := fields{rest: head}
		if res.Outcome = f.outcome(); res.Outcome != store.Expired {
			res.Position = f.position()
		}
		if f.err != nil {
			return errAnswer
		}
		record = stands
	}
	if record == "" {
		return nil
	}
	var e store.Event
	if err := readRecord(&e, p.Room, record); err != nil {
		return fmt.Errorf("member that stands: %w", err)
	}
	if res.Outcome == 0 {
		res.Outcome, res.Position = store.Applied, e.Position
	}
	res.Member = e.Member
	if res.Outcome == store.Applied && len(e.Member.State) < len(p.Member.State) && !p.KeepState {
		res.Member.State = bytes.Clone(p.Member.State) // the script left it out
	}
	return nil
}

// readUsual reads the last line of a record. The rest of the record is what the caller has
// sent.
func readUsual(p *store.Put, line string, res *store.PutResult) error {
	var last store.Event
	if err := readLast(&last, line); err != nil {
		return fmt.Errorf("answer of a script: %w", err)
	}
	res.Outcome, res.Position, res.Member = store.Applied, last.Position, p.Member
	m := &res.Member
	m.Seq, m.State = last.Seq, bytes.Clone(m.State) // which is the caller's
	if m.JoinedMs == 0 {
		m.JoinedMs = last.AtMs
	}
	return nil
}

// putArgCount is how many those of put.lua are.
const putArgCount = 8

// putArgs are KEYS and ARGV of put.lua.
func (s *Store) putArgs(dst []string, p *store.Put) []string {
	m := &p.Member
	a := newArgs(256 + len(p.Room) + 2*len(m.ConnID) + 3*len(m.UserID) + 2*len(m.Owner) + len(m.State))
	a.buf = s.keys.appendRoom(a.buf, p.Room)
	a.end()
	s.putTail(&a, p)
	return a.list(dst)
}

// putTail adds ARGV of put.lua.
func (s *Store) putTail(a *args, p *store.Put) {
	m := &p.Member
	a.member(s.expires(p.ExpiresMs, s.keys.room, p.Room), m.ConnID)
	a.buf = append(a.buf, counterField...)
	newer := cmp.Or(m.Newer, s.ahead)
	a.text(m.UserID).how(p, newer, s.shift(s.keys.room, p.Room)).from(p.From)
	a.buf = appendRecord(a.buf, m, newer, p.Intent)
	if !p.KeepState || p.Intent == store.IntentRestore {
		a.buf = append(a.buf, m.State...)
	}
	a.end()
}

// member adds the expiry and the member.
func (a *args) member(expiresMs int64, connID string) {
	a.expiry(expiresMs)
	a.buf = append(a.buf, memberField...)
	a.text(connID)
}

// how adds how the stored record begins when this is a usual write, and else
// how to write, by a clock that is ahead by shift.
func (a *args) how(p *store.Put, newer string, shift int64) *args {
	switch {
	case p.Quiet || p.KeepState || p.Intent == store.IntentResume:
		a.buf = append(a.buf, '-', flag(p.Quiet, 'q'), flag(p.KeepState, 'k'))
		a.buf = append(strconv.AppendInt(a.buf, p.Fence, 10), ' ')
		return a.num(shift)
	case p.Fence == 0:
		return a.text("+")
	}
	number, _ := versionOf(newer)
	a.buf = appendKnown(a.buf, number, &p.Member, p.Fence, p.Member.Write-1)
	return a.end()
}

// from adds the position of the caller's replica, and the position after it.
func (a *args) from(p store.Position) *args {
	a.buf = appendPosition(a.buf, p.Seq, p.Born)
	a.end()
	a.buf = appendPosition(a.buf, p.Seq+1, p.Born)
	return a.end()
}

func flag(set bool, as byte) byte {
	if set {
		return as
	}
	return '-'
}

var errAnswer = fmt.Errorf("answer of a script: %w", errFields)

func (f *fields) outcome() store.Outcome {
	switch f.text() {
	case "a":
		return store.Applied
	case "r":
		return store.Repeated
	case "f":
		return store.Fenced
	case "m":
		return store.Missing
	case "x":
		return store.Expired
	}
	f.err = errFields
	return 0
}

func num(n int64) string { return strconv.FormatInt(n, 10) }
