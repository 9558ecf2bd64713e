package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may nest in one argument. What one
// client sends reaches others, and a receiver in Python gives up at about 1000
// levels, those that the protocol adds and its own stack included.
const maxDepth = 512

var errJSON = errors.New("not valid JSON")

// plainByte tells the bytes that may stand for themselves inside a JSON string
// and need no closer look: ASCII without controls, quote and backslash.
var plainByte = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the index after the JSON value that starts at b[i], which
// must not be white space. The value is checked whole, its UTF-8 included.
func skipValue(b []byte, i int) (int, bool) {
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return skipContainer(b, i)
	}
	return skipScalar(b, i)
}

func skipScalar(b []byte, i int) (int, bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipLiteral(b []byte, i int, lit string) (int, bool) {
	end := i + len(lit)
	return end, end <= len(b) && string(b[i:end]) == lit
}

// skipContainer walks an array or object without recursion: one bit per level
// remembers which of the two it is, so that input cannot grow the stack.
func skipContainer(b []byte, i int) (int, bool) {
	var objects [maxDepth / 64]uint64
	depth, ok := 0, true
	for {
		// Here a value starts.
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, false
		}
		if c := b[i]; c == '{' || c == '[' {
			if depth == maxDepth {
				return i, false
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 { // ']' and '}' stand two after '[' and '{'
				i++
			} else {
				setBit(&objects, depth, c == '{')
				depth++
				if c == '{' {
					if i, ok = skipKey(b, i); !ok {
						return i, false
					}
				}
				continue
			}
		} else if i, ok = skipScalar(b, i); !ok {
			return i, false
		}
		// Here a value has ended: close what closes, until another one starts.
		for {
			if depth == 0 {
				return i, true
			}
			i = skipSpace(b, i)
			if i >= len(b) {
				return i, false
			}
			object := objects[(depth-1)/64]>>((depth-1)%64)&1 == 1
			if b[i] == ',' {
				i++
				if object {
					if i, ok = skipKey(b, skipSpace(b, i)); !ok {
						return i, false
					}
				}
				break
			}
			if object != (b[i] == '}') || !object && b[i] != ']' {
				return i, false
			}
			i++
			depth--
		}
	}
}

func setBit(bits *[maxDepth / 64]uint64, n int, on bool) {
	if on {
		bits[n/64] |= 1 << (n % 64)
	} else {
		bits[n/64] &^= 1 << (n % 64)
	}
}

// skipKey skips an object's key and the colon after it.
func skipKey(b []byte, i int) (int, bool) {
	if i >= len(b) || b[i] != '"' {
		return i, false
	}
	i, ok := skipString(b, i)
	if !ok {
		return i, false
	}
	i = skipSpace(b, i)
	return i + 1, i < len(b) && b[i] == ':'
}

// skipString skips the string whose opening quote is b[i].
func skipString(b []byte, i int) (int, bool) {
	for i++; i < len(b); {
		c := b[i]
		switch {
		case plainByte[c]:
			i++
		case c == '"':
			return i + 1, true
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return i, false
			}
			i += n
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return i, false
			}
			i += n
		default:
			return i, false
		}
	}
	return i, false
}

// escapeLen returns the length of the escape at the start of b, 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func skipNumber(b []byte, i int) (int, bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || !isDigit(b[i]):
		return i, false
	case b[i] == '0':
		i++
	default:
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		end := skipDigits(b, i+1)
		if end == i+1 {
			return end, false
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := skipDigits(b, i)
		if end == i {
			return end, false
		}
		i = end
	}
	return i, true
}

// validJSON reports whether b is exactly one JSON value in valid UTF-8, with
// white space around it allowed.
func validJSON(b []byte) bool {
	end, ok := skipValue(b, skipSpace(b, 0))
	return ok && skipSpace(b, end) == len(b)
}

// span is where a value lies in a payload.
type span struct{ start, end uint32 }

// keptSpans is how many elements of a payload are found again without a
// second scan.
const keptSpans = 4

// arrayIndex is what one pass over a payload learns: how many elements the
// array has, and where the first of them are.
type arrayIndex struct {
	n     int
	spans [keptSpans]span
}

// indexArray checks that b is one JSON array and nothing else.
func indexArray(b []byte) (idx arrayIndex, ok bool) {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '[' {
		return idx, false
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return idx, skipSpace(b, i+1) == len(b)
	}
	for {
		end, ok := skipValue(b, i)
		if !ok {
			return idx, false
		}
		if idx.n < keptSpans {
			idx.spans[idx.n] = span{uint32(i), uint32(end)}
		}
		idx.n++
		i = skipSpace(b, end)
		if i >= len(b) {
			return idx, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return idx, skipSpace(b, i+1) == len(b)
		default:
			return idx, false
		}
	}
}

// in cuts the value out of the payload that the span was found in.
func (s span) in(b []byte) []byte { return b[s.start:s.end:s.end] }

// all returns where every element is of the array that idx was made from,
// after one pass over those that were not kept.
func (idx *arrayIndex) all(b []byte) []span {
	spans := make([]span, idx.n)
	for n := copy(spans, idx.spans[:]); n < idx.n; n++ {
		start := skipSpace(b, skipSpace(b, int(spans[n-1].end))+1) // over the comma
		end, _ := skipValue(b, start)
		spans[n] = span{uint32(start), uint32(end)}
	}
	return spans
}

// unquote decodes a checked JSON string. It copies only when there is an escape.
func unquote(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b[1 : len(b)-1]
	}
	var s string
	_ = json.Unmarshal(b, &s) // checked before: cannot fail
	return []byte(s)
}

// marshalJSON encodes v as a browser would: <, > and & stay as they are.
func marshalJSON(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return rawOrNull(raw)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes()[:buf.Len()-1], nil // without the newline
}

func rawOrNull(raw json.RawMessage) ([]byte, error) {
	if raw == nil {
		return []byte("null"), nil
	}
	return raw, nil
}

// appendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		plain = plain && plainByte[s[i]]
	}
	if plain {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	quoted, _ := marshalJSON(s) // a string always encodes
	return append(dst, quoted...)
}
