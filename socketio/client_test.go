package socketio

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func request(t *testing.T, cfg Config, method, target string, header ...string) *http.Response {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func TestClientIsHandedOut(t *testing.T) {
	for target, want := range map[string][]byte{
		"/socket.io/socket.io.js":                   clientScript,
		"/socket.io/socket.io.min.js":               clientScript,
		"/socket.io/socket.io.js?v=1":               clientScript,
		"/elsewhere/below/socket.io.min.js":         clientScript,
		"/socket.io/socket.io.esm.min.js":           clientModule,
		"/socket.io/socket.io.js.map":               nil,
		"/socket.io/socket.io.esm.min.js.map":       nil,
		"/socket.io/socket.io.msgpack.min.js":       nil,
		"/socket.io/other.js":                       nil,
		"/socket.io/?EIO=3&transport=polling":       nil,
		"/socket.io/socket.io.js/?transport=socket": nil,
	} {
		res := request(t, Config{}, "GET", target)
		body, _ := io.ReadAll(res.Body)
		switch {
		case want == nil && res.StatusCode < 400:
			t.Errorf("%s: status %d", target, res.StatusCode)
		case want == nil:
		case res.StatusCode != 200 || !bytes.Equal(body, want):
			t.Errorf("%s: status %d, %d bytes", target, res.StatusCode, len(body))
		case res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || res.Header.Get("Access-Control-Allow-Origin") != "*":
			t.Errorf("%s: header %v", target, res.Header)
		}
	}
	for _, text := range [][]byte{clientScript, clientModule} {
		if !bytes.HasPrefix(text, []byte("/*!\n * Socket.IO v4.")) || !bytes.Contains(text, []byte("Released under the MIT License")) {
			t.Errorf("no licence at its head: %.80s", text)
		}
	}
}

func TestClientIsSentOnceAndCompressed(t *testing.T) {
	const target = "/socket.io/socket.io.js"
	for encoding, zipped := range map[string]bool{
		"": false, "gzip": true, "br, GZIP;q=0.5": true, "deflate, gzip; q=1.0": true,
		"gzip;q=0": false, "br, gzip;q=0.000": false, "identity": false, "gzip;q=x": false, "xgzip": false,
	} {
		res := request(t, Config{}, "GET", target, "Accept-Encoding", encoding)
		var body io.Reader = res.Body
		if zipped != (res.Header.Get("Content-Encoding") == "gzip") {
			t.Errorf("%q: encoded as %q", encoding, res.Header.Get("Content-Encoding"))
			continue
		}
		if zipped {
			body, _ = gzip.NewReader(body)
		}
		if text, err := io.ReadAll(body); err != nil || !bytes.Equal(text, clientScript) {
			t.Errorf("%q: %d bytes, %v", encoding, len(text), err)
		}
		tag := res.Header.Get("ETag")
		again := request(t, Config{}, "GET", target, "Accept-Encoding", encoding, "If-None-Match", `"other", W/`+tag)
		if left, _ := io.ReadAll(again.Body); again.StatusCode != 304 || len(left) > 0 || again.Header.Get("ETag") != tag {
			t.Errorf("%q: sent again with status %d for %s", encoding, again.StatusCode, tag)
		}
	}
	if res := request(t, Config{}, "GET", target, "If-None-Match", `"other"`); res.StatusCode != 200 {
		t.Errorf("with another tag: %d", res.StatusCode)
	}
	res := request(t, Config{}, "HEAD", target)
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || len(body) > 0 || res.ContentLength != int64(len(clientScript)) {
		t.Errorf("HEAD: status %d, %d bytes of %d", res.StatusCode, len(body), res.ContentLength)
	}
	for method := range strings.FieldsSeq("POST PUT DELETE") {
		if res := request(t, Config{}, method, target); res.StatusCode != 400 {
			t.Errorf("%s: status %d", method, res.StatusCode)
		}
	}
}

func TestClientCanBeSwitchedOff(t *testing.T) {
	if res := request(t, Config{NoClient: true}, "GET", "/socket.io/socket.io.js"); res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
}
