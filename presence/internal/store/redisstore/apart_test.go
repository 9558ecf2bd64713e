//go:build unix

package redisstore

import (
	"context"
	"slices"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Deployments that share a Redis, with databases or prefixes of their own, hear
// and see nothing of each other.
func TestDeploymentsAreApart(t *testing.T) {
	srv := redistest.Start(t)
	options := []Options{
		{URL: srv.URL()},
		{URL: srv.URL() + "/1"},
		{URL: srv.URL() + "?db=11"},
		{URL: srv.URL(), Prefix: "other:"},
		{URL: srv.URL() + "/1", Prefix: "other:"},
		{URL: srv.URL(), Namespace: "/a:{b}"},
		{URL: srv.URL(), Namespace: "/a"},
	}
	var stores []*Store
	var rooms, nodes []*ear
	for _, o := range options {
		s, err := Open(t.Context(), o)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close(context.Background())) })
		ear := newEar()
		_, err = s.SubscribeNodes(t.Context(), ear)
		must(t, err)
		stores, rooms, nodes = append(stores, s), append(rooms, listen(t, s, "r")), append(nodes, ear)
	}
	for i, s := range stores {
		must(t, s.Publish(t.Context(), "r", []byte{'a' + byte(i)}))
		must(t, s.PublishNodes(t.Context(), []byte{'a' + byte(i)}))
		_, err := store.PutAndWait(t.Context(), s, join("r", "c"+string('a'+rune(i))))
		must(t, err)
		must(t, s.AddUser(t.Context(), store.UserEntry{UserID: "u", Room: "r", ConnID: "c" + string('a'+rune(i)), Life: "l"}))
		must(t, s.AddRoom(t.Context(), store.NodeRoom{Node: "n", Room: "r" + string('a'+rune(i))}))
	}
	for i, s := range stores {
		own := string('a' + rune(i))
		rooms[i].next(t, "cast "+own)
		rooms[i].next(t, "event c"+own)
		nodes[i].next(t, "cast "+own)
		room, err := s.Load(t.Context(), "r")
		must(t, err)
		if len(room.Members) != 1 {
			t.Errorf("store %d has %d members", i, len(room.Members))
		}
		at, err := s.UserMembers(t.Context(), "u")
		must(t, err)
		if len(at) != 1 || at[0].ConnID != "c"+own {
			t.Errorf("store %d has entries of the user: %+v", i, at)
		}
		list, _, err := s.NodeRooms(t.Context(), "n", "", 10)
		must(t, err)
		if len(list) != 1 || list[0] != "r"+own {
			t.Errorf("store %d has rooms of the node: %q", i, list)
		}
		// Its own removals are heard, by it alone.
		_, err = s.Remove(t.Context(), store.Remove{Room: "r", ConnID: room.Members[0].ConnID, Epoch: 1, Owner: "n"})
		must(t, err)
		rooms[i].next(t, "event c"+own)
		if n := len(rooms[i].heard) + len(nodes[i].heard); n != 0 {
			t.Errorf("store %d heard %d messages of others", i, n)
		}
	}
	names := do(t, srv, "PUBSUB", "CHANNELS")
	slices.Sort(names)
	want := []string{
		"other:1:nodes:events", "other:1:nodes:events:1", "other:1:{room:r}:events", "other:1:{room:r}:events:1",
		"prs:/a%3A%7Bb%7D:1:nodes:events", "prs:/a%3A%7Bb%7D:1:{room:r}:events", "prs:/a:1:nodes:events", "prs:/a:1:{room:r}:events",
		"prs:1:nodes:events", "prs:1:nodes:events:1", "prs:1:nodes:events:11",
		"prs:1:{room:r}:events", "prs:1:{room:r}:events:1", "prs:1:{room:r}:events:11",
	}
	if !slices.Equal(names, want) {
		t.Errorf("channels %q", names)
	}
}
