package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Enter implements store.Store: in one step where the keys lie together and
// nothing is out of the ordinary.
func (s *Store) Enter(ctx context.Context, p store.Put, seenMs int64) (store.PutResult, error) {
	if s.cluster {
		return store.Steps(ctx, s, p, seenMs)
	}
	var res store.PutResult
	done, err := s.enter(ctx, &p, seenMs, &res)
	switch {
	case err != nil:
		return store.PutResult{}, fmt.Errorf("enter member %q in room %q: %w", p.Member.ConnID, p.Room, err)
	case !done:
		return store.Steps(ctx, s, p, seenMs)
	case res.Outcome == store.Expired:
		return store.PutResult{}, fmt.Errorf("enter member %q in room %q: %w", p.Member.ConnID, p.Room, errLate)
	}
	return res, nil
}

// enterKeys is how many of the arguments of enter.lua are keys.
const enterKeys = 4

// enter runs enter.lua; it reports false when that wrote nothing.
func (s *Store) enter(ctx context.Context, p *store.Put, seenMs int64, res *store.PutResult) (bool, error) {
	if err := checkPut(p); err != nil {
		return false, err
	}
	if strings.Contains(p.Member.ConnID, " ") {
		return false, errSpace
	}
	var list [maxArgs]string
	all := s.enterArgs(list[:0], p, seenMs)
	msg, err := s.pipe.exec(ctx, &s.publishing.Load().enter, run{all[:enterKeys], all[enterKeys:]})
	if err != nil {
		return false, err
	}
	text, err := msg.ToString()
	if text == "" {
		return false, err
	}
	return true, readPut(p, text, res)
}

// enterArgs are KEYS and ARGV of enter.lua.
func (s *Store) enterArgs(dst []string, p *store.Put, seenMs int64) []string {
	m := &p.Member
	a := newArgs(512 + 4*len(p.Room) + 6*len(m.ConnID) + 6*len(m.UserID) + 4*len(m.Owner) + len(m.State))
	a.buf = s.keys.appendRoom(a.buf, p.Room)
	a.end().text(s.keys.node(m.Owner)).text(s.keys.user(m.UserID)).text(s.keys.conn(m.ConnID))
	s.putTail(&a, p)
	a.buf = append(append(append(a.buf, m.ConnID...), ' '), p.Room...)
	a.end()
	a.buf = appendEntry(a.buf, m.Epoch, m.Life, m.UserID)
	a.end().text(m.Owner).text(m.UserID).text(p.Room).num(m.Epoch).num(seenMs).text(s.ttl)
	return a.list(dst)
}
