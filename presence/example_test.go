package presence_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// An HTTP server gains presence: with Options.Store set, all servers that share
// the Redis are one cluster.
func ExampleInit() {
	ctx := context.Background()
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer io.Close(ctx) // closes presence, too

	rt, err := presence.Init(ctx, presence.Options{IO: io})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/socket.io", io)
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		members, err := rt.Members(r.Context(), "lobby")
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%d in the lobby", len(members))
	})
	answer := httptest.NewRecorder() // in place of http.ListenAndServe(":3000", mux)
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/who", nil))
	fmt.Println(answer.Body)
	// Output: 0 in the lobby
}
