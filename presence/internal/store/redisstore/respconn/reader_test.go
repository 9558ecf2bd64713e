package respconn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// read is everything that a reader finds in a text, and the error that ends it.
func read(from io.Reader) (found []string, err error) {
	r := reader{Reader: bufio.NewReaderSize(from, readSize)}
	for {
		h, err := r.next()
		if err != nil {
			return found, err
		}
		if strings.IndexByte("*>~%|", h.kind) >= 0 {
			found = append(found, fmt.Sprintf("%c%d", h.kind, h.n))
			if err := r.skip(h, 0); err != nil {
				return found, err
			}
			continue
		}
		text, err := r.text(h)
		if err != nil {
			return found, err
		}
		found = append(found, string(h.kind)+string(text))
	}
}

func TestReader(t *testing.T) {
	text := "+OK\r\n-ERR no\r\n:-7\r\n$2\r\na\n\r\n$-1\r\n_\r\n#t\r\n,1.5\r\n(12\r\n=5\r\ntxt:a\r\n!3\r\nERR\r\n" +
		"*2\r\n:1\r\n*-1\r\n%1\r\n+k\r\n~1\r\n:1\r\n>1\r\n+x\r\n"
	want := []string{"+OK", "-ERR no", ":-7", "$a\n", "$", "_", "#t", ",1.5", "(12", "=txt:a", "!ERR", "*2", "%2", ">1"}
	for name, from := range map[string]io.Reader{
		"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
	} {
		if got, err := read(from); fmt.Sprint(got) != fmt.Sprint(want) || err != io.EOF {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

// How the bytes come makes no difference, and nothing is larger than what came.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"+OK\r\n", "$2\r\nab\r\n:1\r\n", "*2\r\n$-1\r\n>1\r\n+x\r\n", "%1\r\n+a\r\n!1\r\nb\r\n", "$70000\r\n", "*1048576\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err1 := read(bytes.NewReader(text))
		parts, err2 := read(iotest.OneByteReader(bytes.NewReader(text)))
		if fmt.Sprint(whole) != fmt.Sprint(parts) || fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Errorf("whole %q, %v; byte by byte %q, %v", whole, err1, parts, err2)
		}
		n := 0
		for _, s := range whole {
			n += len(s)
		}
		if n > 2*len(text) {
			t.Errorf("%d bytes found in %d", n, len(text))
		}
	})
}

// A command reaches Redis as it was given, whatever is in it.
func FuzzCommand(f *testing.F) {
	f.Add("GET", "k\r\n", "")
	f.Fuzz(func(t *testing.T, word, key, arg string) {
		c := Command{Words: []string{word}, Keys: []string{key}, Args: []string{arg, ""}}
		r := reader{Reader: bufio.NewReaderSize(bytes.NewReader(c.appendTo(nil)), readSize)}
		h, err := r.next()
		if err != nil || h.kind != '*' || h.n != 4 {
			t.Fatalf("%+v, %v", h, err)
		}
		for _, want := range []string{word, key, arg, ""} {
			h, err := r.next()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.text(h); string(got) != want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
	})
}
