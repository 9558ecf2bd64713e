package socketio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A client that is not read for a while does not look silent because of that.
func TestHoldDoesNotMakeSilent(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, e *env) {
		var ended time.Time
		var held *Socket
		e.io.Of("/").OnInline("held", func(_ context.Context, s *Socket, _ *Message) error {
			s.Hold(nil, 5*time.Second)
			held, ended = s, time.Now()
			return nil
		})
		c := e.open()
		c.join("/")
		c.send(`42["held"]`)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if held == nil || held.LastPacket().Before(ended) {
			t.Errorf("it looks silent since before its hold ended")
		}
	})
}
