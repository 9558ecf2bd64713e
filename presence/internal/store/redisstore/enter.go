package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Enter implements store.Store: in one step where the keys lie together and
// nothing is out of the ordinary.
func (s *Store) Enter(ctx context.Context, q store.EnterRequest) (res store.PutResult, err error) {
	text := ""
	if !s.cluster {
		text, err = s.enter(ctx, &q)
	}
	if text == "" && err == nil { // nothing was written
		return store.Steps(ctx, s, q)
	}
	text, connLacks := strings.CutPrefix(text, "c")
	if err == nil {
		err = readPut(&q.Put, text, &res)
	}
	if err == nil && res.Outcome == store.Expired {
		err = errLate
	}
	if err == nil && connLacks {
		err = s.ConnJoin(ctx, q.Conn(q.SeenMs))
	}
	if err != nil {
		return store.PutResult{}, fmt.Errorf("enter member %q in room %q: %w", q.Member.ConnID, q.Room, err)
	}
	return res, nil
}

// enter runs enter.lua.
func (s *Store) enter(ctx context.Context, q *store.EnterRequest) (string, error) {
	if err := checkPut(&q.Put); err != nil {
		return "", err
	}
	if strings.Contains(q.Member.ConnID, " ") {
		return "", errSpace
	}
	var list [maxArgs]string
	all, keys := s.enterArgs(list[:0], q)
	return s.pipe.text(ctx, &s.publishing.Load().enter, run{all[:keys], all[keys:]})
}

// enterArgs are KEYS and ARGV of enter.lua, and how many of them are keys.
func (s *Store) enterArgs(dst []string, q *store.EnterRequest) (all []string, keys int) {
	m := &q.Member
	a := newArgs(512 + 4*len(q.Room) + 6*len(m.ConnID) + 5*len(m.UserID) + 4*len(m.Owner) + len(m.State))
	a.buf = s.keys.appendRoom(a.buf, q.Room)
	a.end().text(s.keys.user(m.UserID)).text(s.keys.conn(m.ConnID))
	if q.AddRoom {
		a.text(s.keys.nodeRooms(m.Owner))
	}
	keys = a.n
	s.putTail(&a, &q.Put)
	a.buf = append(append(append(a.buf, m.ConnID...), ' '), q.Room...)
	a.end().text(m.Life).text(userTTL)
	a.text(m.Owner).text(m.UserID).text(q.Room).num(m.Epoch).num(q.SeenMs).text(s.ttl)
	return a.list(dst), keys
}
