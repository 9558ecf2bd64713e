package socketio

import (
	"errors"
	"strings"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/socketid"
)

// What the application sends to a socket's id must not be heard by others, on
// whichever process they join a room of that name.
func TestIDIsNobodyElsesRoom(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		victim, spy := e.join("/"), e.join("/")
		var log adapterLog
		if err := e.io.SetAdapter(&log); err != nil {
			t.Fatal(err)
		}
		elsewhere := socketid.New() // of a socket of another process
		s := e.socket(spy)
		for _, id := range []string{victim.sid, elsewhere, s.ID()} {
			if err := s.Join("x", id); !errors.Is(err, ErrRoomName) || !strings.Contains(err.Error(), id) {
				t.Errorf("joining %s: %v", id, err)
			}
		}
		if rooms := s.Rooms(); len(rooms) > 0 || s.InRoom(victim.sid) || s.InRoom(elsewhere) || s.InRoom("x") {
			t.Errorf("the spy is in %q", rooms)
		}
		log.want(t)
		for _, id := range []string{victim.sid, elsewhere} {
			if err := e.root.To(id).Emit(t.Context(), "secret"); err != nil {
				t.Error(err)
			}
		}
		victim.want(`42["secret"]`)
		spy.wantNothing()
	})
}
