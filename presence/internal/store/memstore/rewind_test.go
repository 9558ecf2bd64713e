package memstore_test

import (
	"context"
	"slices"
	"testing"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
)

// A store of which one server fails over loses what that one was told last, and
// nothing else.
func TestSavePartsPutsSomeBack(t *testing.T) {
	ctx := context.Background()
	s := memstore.New(memstore.Options{})
	defer func() { _ = s.Close(ctx) }()
	enter := func(room, connID string) {
		m := store.Member{ConnID: connID, UserID: "u", Owner: "n", Epoch: 1, Write: 1, State: []byte("{}")}
		if _, err := s.Enter(ctx, store.EnterRequest{Put: store.Put{Room: room, Intent: store.IntentJoin, Member: m}}); err != nil {
			t.Fatal(err)
		}
	}
	enter("r", "a")
	enter("s", "a")
	rewind := s.SaveParts()
	enter("r", "b")
	enter("s", "b")
	enter("t", "b") // a room that there was not
	rewind(func(part string) bool { return part == "room:r" || part == "room:t" })
	for room, want := range map[string]int{"r": 1, "s": 2, "t": 0} {
		if loaded, err := s.Load(ctx, room); err != nil || len(loaded.Members) != want {
			t.Errorf("room %s has %v, %v, want %d", room, loaded.Members, err, want)
		}
	}
	if entries, err := s.UserMembers(ctx, "u"); err != nil || len(entries) != 5 {
		t.Errorf("the index has %v, %v, want all 5", entries, err)
	}
	if keys := s.Keys(); !slices.Contains(keys, "conn:b") {
		t.Errorf("a connection was lost: %q", keys)
	}
}
