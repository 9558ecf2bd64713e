package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/redis/rueidis"
)

// Both indexes are hashes with a field per member: its connId and its room,
// separated by a space. What a node holds has the header of an entry as value, where a
// user is has the ids of the nodes that hold it.

// registerTries is how often a member is registered when it was registered for
// another user meanwhile; in each try there was one.
const registerTries = 3

// Register implements store.Store. The entry of the user before lies in a third
// key: it is removed by a step of its own, ahead.
func (s *Store) Register(ctx context.Context, e store.Entry) error {
	for range registerTries {
		before, err := s.writeEntry(ctx, "register", &s.scripts.indexSet, &e)
		if before == "" || err != nil {
			return err
		}
		former := e
		former.UserID = before
		if err := s.Unregister(ctx, former); err != nil {
			return err
		}
	}
	return fmt.Errorf("register member %q of room %q: its user changes all the time: %w", e.ConnID, e.Room, store.ErrUnavailable)
}

// Unregister implements store.Store.
func (s *Store) Unregister(ctx context.Context, e store.Entry) error {
	_, err := s.writeEntry(ctx, "unregister", &s.scripts.indexDel, &e)
	return err
}

func entryField(e *store.Entry) string { return e.ConnID + " " + e.Room }

// appendEntry appends the value of a member in what its node holds.
func appendEntry(dst []byte, epoch int64, life, userID string) []byte {
	dst = append(strconv.AppendInt(dst, epoch, 10), '\t')
	dst = append(append(dst, life...), '\t')
	return append(dst, userID...)
}

var errSpace = errors.New("the connection's id has a space")

// writeEntry runs a script on both indexes: in one go, but on each by itself on a
// cluster, where they lie apart. It returns the user for whom the node holds the
// member if that keeps it from being registered.
func (s *Store) writeEntry(ctx context.Context, what string, with *script, e *store.Entry) (before string, err error) {
	switch {
	case strings.Contains(e.ConnID, " "):
		return "", fmt.Errorf("%s member %q: %w", what, e.ConnID, errSpace)
	case !plain(e.UserID) || !plain(e.Life):
		return "", fmt.Errorf("%s member %q: %w", what, e.ConnID, errControl)
	}
	node, user := s.keys.node(e.Node), s.keys.user(e.UserID)
	var room [128]byte
	value := string(appendEntry(room[:0], e.Epoch, e.Life, e.UserID))
	args := func(which string, expiresMs int64) []string {
		return []string{expiry(expiresMs), entryField(e), which, e.Node, e.UserID, value}
	}
	runs := []run{{[]string{node, user}, args("nu", e.ExpiresMs)}}
	if s.cluster {
		runs = []run{
			{[]string{node}, args("n", s.expires(e.ExpiresMs, s.keys.node, e.Node))},
			{[]string{user}, args("u", s.expires(e.ExpiresMs, s.keys.user, e.UserID))},
		}
	}
	res, err := s.pipe.execMany(ctx, with, runs)
	for i := 0; err == nil && i < len(res); i++ {
		before, err = s.entryWritten(&res[i], before)
	}
	if err != nil {
		return "", fmt.Errorf("%s member %q of room %q: %w", what, e.ConnID, e.Room, err)
	}
	return before, nil
}

// entryWritten reads the answer of a script of the indexes.
func (s *Store) entryWritten(res *rueidis.RedisResult, before string) (string, error) {
	msg, err := res.ToMessage()
	switch {
	case err != nil:
		return "", s.pipe.wrap(err)
	case msg.IsString():
		return msg.ToString()
	}
	if n, err := msg.AsInt64(); err != nil || n == 0 {
		return "", errors.Join(err, errLate)
	}
	return before, nil
}

// UserMembers implements store.Store.
func (s *Store) UserMembers(ctx context.Context, userID string) ([]store.Location, error) {
	msg, err := s.pipe.do(ctx, s.client.B().Hkeys().Key(s.keys.user(userID)).Build())
	if err != nil {
		return nil, fmt.Errorf("read user %q: %w", userID, err)
	}
	list, err := msg.AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("read user %q: %w", userID, err)
	}
	out := make([]store.Location, len(list))
	for i, field := range list {
		out[i].ConnID, out[i].Room, _ = strings.Cut(field, " ")
	}
	return out, nil
}
