package wire

import (
	"errors"
	"testing"
)

// A field that is there twice means to the server what it means to JSON.parse: the
// last one counts, null included. Numbers are what they are to JavaScript.
func TestFieldsMeanWhatTheyMeanToClients(t *testing.T) {
	for _, c := range []struct{ event, payload, want string }{
		{"join", `{"roomId":"a","userId":"u","roomId":"b"}`, "b u"},
		{"join", `{"roomId":"a","userId":"ann","userId":null}`, "userId is missing."},
		{"join", `{"roomId":"a","userId":null,"userId":"ann"}`, "a ann"},
		{"join", `{"roomId":"a","userId":"u","\u0075serId":"v"}`, "a v"},
		{"join", `{"roomId":"a","userId":"u","state":{"x":1},"state":null}`, "a u"},
		{"join", `{"roomId":"a","userId":"u","resume":"t","resume":null}`, "a u"},
		{"join", `{"roomId":"a","userId":"u","graceMs":5,"graceMs":null}`, "a u"},
		{"join", `{"roomId":"a","userId":"u","sender":true,"sender":null}`, "a u"},
		{"join", `{"roomId":"a","userId":"u","ROOMID":"b"," roomId":"c"}`, "a u"},
		{"join", `{"roomId":"a","userId":"u","graceMs":1e3}`, "a u grace=1000"},
		{"join", `{"roomId":"a","userId":"u","graceMs":1e300}`, "graceMs must be an integer from 0."},
		{"join", `{"roomId":"a","userId":"u","graceMs":0.5}`, "graceMs must be an integer from 0."},
		{"join", `{"roomId":"a","userId":"u","resume":{}}`, "resume must be a string."},
		{"join", `{"roomId":"a","userId":"u","resume":true}`, "resume must be a string."},
		{"join", `{"roomId":"a","userId":"e\u0301"}`, "a e\u0301"},
		{"join", `{"roomId":"a","userId":"\u00e9"}`, "a é"},
		{"join", `{"roomId":"a","userId":"\u2028\u202e\ufeff"}`, "a \u2028\u202e\ufeff"},
		{"join", `{"roomId":"a","userId":"\udc00"}`, "userId is not valid UTF-8."},
		{"heartbeat", `{"epoch":-0}`, " epoch=0"},
		{"heartbeat", `{"epoch":2.0}`, " epoch=2"},
		{"heartbeat", `{"epoch":"2"}`, "epoch must be an integer from 0."},
		{"heartbeat", `{"epoch":9007199254740994}`, "epoch must be an integer from 0."},
		{"heartbeat", `{"patchState":{"a":1},"patchState":null}`, ""},
		{"heartbeat", `{"removeState":["a"],"removeState":null}`, ""},
		{"leave", `{"roomId":"a","roomId":null}`, ""},
		{"leave", `"a"`, "The payload must be an object."},
		{"emit", `{"roomId":"a","event":"x","roomId":null}`, "roomId is missing."},
		{"emit", `{"roomId":"a","event":"x","event":null}`, "event is missing."},
		{"emit", `{"roomId":"a","event":"x","args":[1],"args":null}`, "a x"},
	} {
		got, err := parsedLine(c.event, []byte(c.payload))
		var refused *Error
		if errors.As(err, &refused) {
			got = refused.Message
		}
		want(t, c.event+" "+c.payload, got, c.want)
	}
	for first, wanted := range map[string]string{
		`{"roomId":"a","roomId":"b"}`: "b", `{"roomId":"a","roomId":null}`: "", `{"a":{"roomId":"b"}}`: "", `["roomId"]`: "", `"roomId"`: "",
	} {
		if got, err := RelayRoom([]byte(first), testLimits); err != nil || got != wanted {
			t.Errorf("a relay of %s goes to %q, %v", first, got, err)
		}
	}
	for _, first := range []string{`{"roomId":7}`, `{"roomId":""}`, `{"roomId":["a"]}`, `{"roomId":{"a":1}}`, `{"roomId":true}`} {
		if got, err := RelayRoom([]byte(first), testLimits); err == nil {
			t.Errorf("a relay of %s goes to %q", first, got)
		}
	}
}
