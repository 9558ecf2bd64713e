package socketio_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/realtime-ai/realtime-message-go/socketio"
)

type greeting struct {
	Name string `json:"name"`
}

type reply struct {
	Text string `json:"text"`
}

// A handler on values: Typed decodes the first argument, and encodes what the
// function returns for the acknowledgement.
func ExampleTyped() {
	io, err := socketio.NewServer(socketio.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer io.Close(context.Background())
	io.Of("/").On("greet", socketio.Typed(func(_ context.Context, _ *socketio.Socket, in greeting) (reply, error) {
		if in.Name == "" {
			return reply{}, &socketio.AckError{Code: "nameless", Message: "Say who you are."}
		}
		return reply{Text: "Hello " + in.Name + "!"}, nil
	}))

	// What a socket.io-client does, over long-polling and by hand.
	request := func(method, query, body string) string {
		w := httptest.NewRecorder()
		io.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
		return w.Body.String()
	}
	sid := "&sid=" + strings.Split(request("GET", "", ""), `"`)[3]
	request("POST", sid, "40")
	request("GET", sid, "")
	for _, packet := range []string{`421["greet",{"name":"Ada"}]`, `422["greet",{}]`} {
		request("POST", sid, packet)
		fmt.Println(request("GET", sid, ""))
	}
	// Output:
	// 431[{"text":"Hello Ada!"}]
	// 432[{"ok":false,"error":"Say who you are.","code":"nameless"}]
}
