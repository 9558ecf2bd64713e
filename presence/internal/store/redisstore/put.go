package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
)

// StartPut implements store.Store.
func (s *Store) StartPut(ctx context.Context, p *store.Put, w store.PutWaiter) {
	u := &unattendedPut{put: p, waiter: w}
	if err := checkPut(p); err != nil {
		u.Answered("", err)
		return
	}
	all := s.putArgs(u.list[:0], p)
	s.pipe.Start(ctx, &s.publishing.Load().put, pipeline.Run{Keys: all[:1], Args: all[1:]}, u)
}

// unattendedPut is a put that no goroutine waits for.
type unattendedPut struct {
	put    *store.Put
	waiter store.PutWaiter
	list   [putArgCount]string
}

// Answered implements respconn.Receiver.
func (u *unattendedPut) Answered(text string, err error) {
	var res store.PutResult
	if err == nil {
		err = record.ReadPut(u.put, text, &res)
	}
	if err != nil {
		res, err = store.PutResult{}, fmt.Errorf("put member %q in room %q: %w", u.put.Member.ConnID, u.put.Room, err)
	}
	u.waiter.PutDone(res, err)
}

// checkPut refuses what a record cannot hold.
func checkPut(p *store.Put) error {
	m := &p.Member
	if !record.Plain(m.ConnID) || !record.Plain(m.UserID) || !record.Plain(m.Owner) || !record.Plain(m.Life) || !record.Plain(string(m.Lost)) ||
		!record.Plain(p.From.Born) || strings.Contains(m.Newer, "\n") {
		return errControl
	}
	return nil
}

// putArgCount is how many those of put.lua are.
const putArgCount = 8

// putArgs are KEYS and ARGV of put.lua.
func (s *Store) putArgs(dst []string, p *store.Put) []string {
	m := &p.Member
	a := record.NewArgs(256 + len(p.Room) + 2*len(m.ConnID) + 3*len(m.UserID) + 2*len(m.Owner) + len(m.State))
	a.Buf = s.keys.AppendRoom(a.Buf, p.Room)
	a.End()
	s.putTail(&a, p)
	return a.List(dst)
}

// putTail adds ARGV of put.lua.
func (s *Store) putTail(a *record.Args, p *store.Put) {
	m := &p.Member
	a.Member(s.expires(p.ExpiresMs, s.keys.Room, p.Room), m.ConnID)
	a.Buf = append(a.Buf, record.CounterField...)
	newer := cmp.Or(m.Newer, s.ahead)
	a.Text(m.UserID).How(p, newer, s.shift(s.keys.Room, p.Room)).From(p.From)
	a.Buf = record.AppendRecord(a.Buf, m, newer, p.Intent)
	if !p.KeepState || p.Intent == store.IntentRestore {
		a.Buf = append(a.Buf, m.State...)
	}
	a.End()
}
