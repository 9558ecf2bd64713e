package socketio

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// hostile are conversations of clients that mean no good, as bodies of POST requests.
var hostile = []string{
	"40\x1e42[\"a\"]\x1e41\x1e42[\"a\"]",
	"40\x1e41\x1e40\x1e41\x1e40/custom\x1e41/custom\x1e40/custom",
	"40\x1e40",
	"41", "42[\"a\"]", "430[]", "44{\"message\":\"x\"}",
	"40\x1e42999999999999999999[\"a\"]", "40\x1e4399999999999999999[]", "40\x1e42000[\"a\"]",
	"40\x1e42[\"connect\"]", "40\x1e42[\"disconnect\"]", "40\x1e42[\"disconnecting\"]", "40\x1e42[\"newListener\"]",
	"40\x1e42[\"__proto__\",{\"__proto__\":{\"a\":1},\"constructor\":{\"prototype\":1}}]",
	"40\x1e42[\"\\ud800\"]", "40\x1e42[\"\xff\"]", "40\x1e42[\"\\u0000\\u001e\"]",
	"40\x1e451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1ebAAAA",
	"40\x1e451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1e41",
	"40\x1e451-[\"a\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":0}]\x1eb\x1eb",
	"40\x1e450-[\"a\",{\"_placeholder\":true,\"num\":0}]", "40\x1e4511-[\"a\"]", "40\x1e461-0[]\x1ebAAAA", "bAAAA",
	"40/custom?x=1", "40/" + strings.Repeat("/", 2000), "40/\xff", "40//,{}", "40,{}", "40{\"a\":" + strings.Repeat("[", 600),
	"40\x1e42[\"typed\",{\"_placeholder\":true,\"num\":0}]", "40\x1e422[\"slow\"," + strings.Repeat("7,", 500) + "7]",
}

// firstError is a log that keeps the first line at error level.
type firstError struct{ text atomic.Pointer[string] }

func (*firstError) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (h *firstError) WithAttrs([]slog.Attr) slog.Handler         { return h }
func (h *firstError) WithGroup(string) slog.Handler              { return h }
func (h *firstError) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	h.text.CompareAndSwap(nil, &text)
	return nil
}

// FuzzConversation: whatever a client says, no code of the server panics, and
// nothing is left of it when its connection has ended.
func FuzzConversation(f *testing.F) {
	for _, body := range hostile {
		f.Add([]byte(body))
	}
	errors := new(firstError)
	server, err := NewServer(Config{Engine: engineio.Config{Logger: slog.New(errors)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close(context.Background()) })
	for _, n := range []*Namespace{server.Of("/"), server.Of("/custom")} {
		n.Use(func(context.Context, *Socket) error { return nil })
		n.OnAny(func(ctx context.Context, s *Socket, m *Message) error {
			s.Join(m.Event())
			return acknowledge(ctx, s, m)
		})
		n.On("slow", acknowledge)
		n.On("typed", Typed(func(_ context.Context, _ *Socket, in any) (any, error) { return in, nil }))
	}
	do := func(method, query, body string) (int, string) {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var hello struct{ SID string }
		if _, open := do(http.MethodGet, "", ""); json.Unmarshal([]byte(open[1:]), &hello) != nil {
			t.Fatal(open)
		}
		sid := "&sid=" + hello.SID
		do(http.MethodPost, sid, string(body))
		do(http.MethodPost, sid, "1") // closes
		do(http.MethodGet, sid, "")   // and takes what was left to say
		if err := server.work.Wait(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if logged := errors.text.Load(); logged != nil {
			t.Fatal(*logged)
		}
		for _, n := range []*Namespace{server.Of("/"), server.Of("/custom")} {
			if n.Len() > 0 || len(n.rooms) > 0 {
				t.Errorf("left of %q: %d sockets, rooms %v", body, n.Len(), n.rooms)
			}
		}
	})
}
