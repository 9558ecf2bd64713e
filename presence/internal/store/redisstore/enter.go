package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
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
		err = record.ReadPut(&q.Put, text, &res)
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
	var list [record.MaxArgs]string
	all, keys := s.enterArgs(list[:0], q)
	return s.pipe.Text(ctx, &s.publishing.Load().enter, pipeline.Run{Keys: all[:keys], Args: all[keys:]})
}

// enterArgs are KEYS and ARGV of enter.lua, and how many of them are keys.
func (s *Store) enterArgs(dst []string, q *store.EnterRequest) (all []string, keys int) {
	m := &q.Member
	a := record.NewArgs(512 + 4*len(q.Room) + 6*len(m.ConnID) + 5*len(m.UserID) + 4*len(m.Owner) + len(m.State))
	a.Buf = s.keys.AppendRoom(a.Buf, q.Room)
	a.End().Text(s.keys.User(m.UserID)).Text(s.keys.Conn(m.ConnID))
	if q.AddRoom {
		a.Text(s.keys.NodeRooms(m.Owner))
	}
	keys = a.Count()
	s.putTail(&a, &q.Put)
	a.Buf = append(append(append(a.Buf, m.ConnID...), ' '), q.Room...)
	a.End().Text(m.Life).Text(userTTL)
	a.Text(m.Owner).Text(m.UserID).Text(q.Room).Num(m.Epoch).Num(q.SeenMs).Text(s.ttl)
	return a.List(dst), keys
}
