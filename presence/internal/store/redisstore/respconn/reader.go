package respconn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	// readSize is the size of the read buffer. What fits is not copied on its way.
	readSize = 64 << 10
	// maxBulk bounds a string, as Redis does by default.
	maxBulk = 512 << 20
	// maxElements and maxDepth bound an answer with elements; the largest that comes is that to HELLO.
	maxElements = 1 << 20
	maxDepth    = 8
)

// Error is an answer of Redis that says that it refused a command, without its hyphen.
type Error string

// Error implements error.
func (e Error) Error() string { return string(e) }

// errProtocol says that what came is no RESP, or none that is expected here.
var errProtocol = errors.New("not understood as an answer of Redis")

// reader reads RESP2 and RESP3, as https://redis.io/docs/latest/develop/reference/protocol-spec/
// describes them.
type reader struct{ *bufio.Reader }

// head is the first line of a value: its type and, by type, its text, or how many bytes or
// elements follow; -1 for a null.
type head struct {
	kind byte
	text []byte // valid until the next read
	n    int
}

// next reads the first line of a value.
func (r *reader) next() (h head, err error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		err = errProtocol
	}
	if err != nil {
		return h, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return h, errProtocol
	}
	h.kind, h.text = line[0], line[1:len(line)-2]
	switch h.kind {
	case '$', '=', '!':
		h.n, err = length(h.text, maxBulk)
	case '*', '>', '~':
		h.n, err = length(h.text, maxElements)
	case '%', '|':
		h.n, err = length(h.text, maxElements)
		h.n *= 2
	case '+', '-', ':', '_', '#', ',', '(':
	default:
		err = errProtocol
	}
	return h, err
}

// length reads a length; -1 is that of a null in RESP2.
func length(digits []byte, most int) (int, error) {
	if string(digits) == "-1" {
		return -1, nil
	}
	n := 0
	for _, d := range digits {
		if d < '0' || '9' < d {
			return 0, errProtocol
		}
		if n = n*10 + int(d-'0'); n > most {
			return 0, errProtocol
		}
	}
	if len(digits) == 0 {
		return 0, errProtocol
	}
	return n, nil
}

// text returns the text of a value without elements. It is valid until the next read.
func (r *reader) text(h head) ([]byte, error) {
	switch h.kind {
	case '$', '=', '!':
		return r.bulk(h.n)
	case '+', '-', ':', '#', ',', '(':
		return h.text, nil
	case '_':
		return nil, nil
	}
	return nil, errProtocol
}

// bulk reads a string of n bytes, and the line break behind it.
func (r *reader) bulk(n int) ([]byte, error) {
	if n < 0 {
		return nil, nil
	}
	var all []byte
	if n+2 <= readSize {
		b, err := r.Peek(n + 2)
		if err != nil {
			return nil, unexpected(err)
		}
		_, _ = r.Discard(n + 2) // they are there
		all = b
	} else {
		b, err := io.ReadAll(io.LimitReader(r, int64(n+2)))
		if err == nil && len(b) < n+2 {
			err = io.EOF
		}
		if err != nil {
			return nil, unexpected(err)
		}
		all = b
	}
	if all[n] != '\r' || all[n+1] != '\n' {
		return nil, errProtocol
	}
	return all[:n], nil
}

// skip reads what follows of a value to its end.
func (r *reader) skip(h head, depth int) error {
	switch h.kind {
	case '*', '>', '~', '%', '|':
	default:
		_, err := r.text(h)
		return err
	}
	if depth >= maxDepth {
		return fmt.Errorf("nested too deeply: %w", errProtocol)
	}
	for range h.n {
		inner, err := r.next()
		if err == nil {
			err = r.skip(inner, depth+1)
		}
		if err != nil {
			return unexpected(err)
		}
	}
	return nil
}

// unexpected is err, or that the end came in the middle of something.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
