package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/presence/store"
	"github.com/redis/rueidis"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, p store.Put) (store.PutResult, error) {
	res, err := s.put(ctx, &p)
	if err != nil {
		return store.PutResult{}, fmt.Errorf("put member %q in room %q: %w", p.Member.ConnID, p.Room, err)
	}
	return res, nil
}

func (s *Store) put(ctx context.Context, p *store.Put) (store.PutResult, error) {
	m := &p.Member
	if !plain(m.ConnID) || !plain(m.UserID) || !plain(m.Owner) || !plain(string(m.Lost)) || !plain(p.From.Born) {
		return store.PutResult{}, errControl
	}
	var list [maxArgs]string
	all := s.putArgs(list[:0], p)
	msg, err := s.pipe.exec(ctx, &s.scripts.put, run{all[:1], all[1:]})
	if err != nil {
		return store.PutResult{}, err
	}
	a, err := parseAnswer(p.Room, &msg)
	if err != nil {
		return store.PutResult{}, err
	}
	res := store.PutResult{Outcome: a.outcome, Position: a.Position, Reset: a.Reset, NowMs: a.AtMs}
	if a.outcome == store.Applied || a.outcome == store.Repeated {
		res.UserConns = a.UserConns
	}
	if a.outcome == store.Expired || a.outcome == store.Missing {
		return res, nil
	}
	res.Member = a.Member
	if a.outcome == store.Applied && len(a.Member.State) < len(m.State) && !p.KeepState {
		res.Member.State = bytes.Clone(m.State) // the script left it out
	}
	return res, nil
}

// putArgs are KEYS and ARGV of put.lua.
func (s *Store) putArgs(dst []string, p *store.Put) []string {
	m := &p.Member
	a := newArgs(256 + len(p.Room) + 2*len(m.ConnID) + 3*len(m.UserID) + 2*len(m.Owner) + len(m.State))
	a.room(s.keys, p.Room, p.ExpiresMs, m.ConnID)
	a.buf = append(a.buf, counterField...)
	a.text(m.UserID).how(p).from(p.From)
	a.buf = appendRecord(a.buf, m, p.Intent)
	if !p.KeepState || p.Intent == store.IntentRestore {
		a.buf = append(a.buf, m.State...)
	}
	return a.end().list(dst)
}

// room adds the room, the expiry and the member.
func (a *args) room(k keys, id string, expiresMs int64, connID string) *args {
	a.buf = k.appendRoom(a.buf, id)
	a.end().expiry(expiresMs)
	a.buf = append(a.buf, memberField...)
	return a.text(connID)
}

// how adds how the stored record begins when this is a usual write, and else
// how to write.
func (a *args) how(p *store.Put) *args {
	switch {
	case p.Quiet || p.KeepState || p.Intent == store.IntentResume:
		a.buf = append(a.buf, '-', flag(p.Quiet, 'q'), flag(p.KeepState, 'k'))
		return a.num(p.Fence)
	case p.Fence == 0:
		return a.text("+")
	}
	a.buf = appendKnown(a.buf, &p.Member, p.Fence, p.Member.Write-1)
	return a.end()
}

// from adds where the caller stands, and would stand one further.
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

// answer is what the scripts of a room return.
type answer struct {
	outcome store.Outcome
	record
}

func parseAnswer(room string, msg *rueidis.RedisMessage) (answer, error) {
	text, err := msg.ToString()
	if err != nil {
		return answer{}, err
	}
	return readAnswer(room, text)
}

// readAnswer reads the record of a write that was published, or else an
// outcome with where the room stands and what stands in it.
func readAnswer(room, text string) (a answer, err error) {
	if text == "" {
		return a, errAnswer
	}
	if text[0] == version {
		if a.record, err = parseRecord(room, text); err != nil {
			return a, fmt.Errorf("answer of a script: %w", err)
		}
		a.outcome = store.Applied
		return a, nil
	}
	f, stands, err := header(text)
	if err != nil {
		return a, errAnswer
	}
	a.outcome = f.outcome()
	at := f.position()
	now, conns := f.millis(), int(f.num())
	if f.end() != nil {
		return a, errAnswer
	}
	if stands != "" {
		if a.record, err = parseRecord(room, stands); err != nil {
			return a, fmt.Errorf("member that stands: %w", err)
		}
	}
	a.Position, a.Reset, a.AtMs, a.UserConns = at, false, now, conns
	return a, nil
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
