package socketio

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// The client for browsers, as the npm package socket.io-client has it;
// scripts/client.sh renews it.
var (
	//go:embed client/socket.io.min.js
	clientScript []byte
	//go:embed client/socket.io.esm.min.js
	clientModule []byte
)

// clientFiles are what the reference server would answer with at the path of a
// Socket.IO server, as far as this one has it.
type clientFiles struct{ script, module *clientFile }

func newClientFiles() *clientFiles {
	return &clientFiles{newClientFile(clientScript), newClientFile(clientModule)}
}

// serve answers a request for a file of the client; false: it is for something else.
func (c *clientFiles) serve(w http.ResponseWriter, r *http.Request) bool {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if !strings.HasPrefix(name, "socket.io.") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	httpbody.Drop(w, r)
	httpbody.LimitAnswer(w)
	defer func() { // other handlers may be next on the connection
		_ = http.NewResponseController(w).Flush()
		httpbody.AnswerLimitOff(w)
	}()
	switch name {
	case "socket.io.js", "socket.io.min.js":
		c.script.serve(w, r)
	case "socket.io.esm.min.js":
		c.module.serve(w, r)
	case "socket.io.js.map", "socket.io.min.js.map", "socket.io.esm.min.js.map",
		"socket.io.msgpack.min.js", "socket.io.msgpack.min.js.map": // the server speaks no msgpack
		http.NotFound(w, r)
	default:
		return false
	}
	return true
}

// clientFile is one file with what browsers are told of it.
type clientFile struct {
	text   []byte
	tag    string // names the contents
	gzip   sync.Once
	zipped []byte
}

func newClientFile(text []byte) *clientFile {
	sum := sha256.Sum256(text)
	return &clientFile{text: text, tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
}

func (f *clientFile) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=0") // asked for each time, sent when it has changed
	h.Set("Access-Control-Allow-Origin", "*")   // a module is loaded like any data; everybody may have it
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Vary", "Accept-Encoding")
	text, tag := f.text, f.tag
	if acceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		text, tag = f.compressed(), tag+"-gzip"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// compressed returns the file in gzip, made when first asked for.
func (f *clientFile) compressed() []byte {
	f.gzip.Do(func() {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that exists
		_, _ = z.Write(f.text)                                // a buffer takes everything
		_ = z.Close()
		f.zipped = b.Bytes()
	})
	return f.zipped
}

// acceptsGzip reports whether a request names gzip among the encodings that it
// takes, and does not rule it out with a weight of zero.
func acceptsGzip(h http.Header) bool {
	for _, list := range h.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(list, ",") {
			name, weight, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return weight == "" || err == nil && q > 0
		}
	}
	return false
}
