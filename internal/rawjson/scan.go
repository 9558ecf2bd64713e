// Package rawjson reads and edits JSON text without decoding it: values stay
// the bytes that the client sent, so that numbers, key order and escapes come
// back exactly as they came. It allocates nothing but what it returns.
package rawjson

import (
	"errors"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 512

// Errors of the scanner.
var (
	ErrSyntax = errors.New("not valid JSON")
	ErrDepth  = errors.New("nested too deep")
	ErrUTF8   = errors.New("not valid UTF-8")
	ErrType   = errors.New("not an object") // or not an array, where one belongs
)

// Object calls f for each member of the JSON object that data is, in order,
// with the raw text of key (quotes included) and value. Everything is checked,
// also what f does not look at. f must not keep the slices beyond the life of data.
func Object(data []byte, f func(key, value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return ErrType
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == '}' {
		return atEnd(data, i+1)
	}
	for {
		key, value, next, err := member(data, i)
		if err != nil {
			return err
		}
		if err := f(key, value); err != nil {
			return err
		}
		more := false
		if i, more, err = follow(data, next, '}'); err != nil {
			return err
		}
		if !more {
			return atEnd(data, i)
		}
	}
}

// Array calls f for each element of the JSON array that data is, in order, with
// its raw text. Everything is checked. f must not keep the slices beyond the life
// of data.
func Array(data []byte, f func(element []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '[' {
		return ErrType
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == ']' {
		return atEnd(data, i+1)
	}
	for {
		end, err := Value(data, i)
		if err != nil {
			return err
		}
		if err := f(data[i:end]); err != nil {
			return err
		}
		more := false
		if i, more, err = follow(data, end, ']'); err != nil {
			return err
		}
		if !more {
			return atEnd(data, i)
		}
	}
}

// follow reads what stands behind a member or element that ended at i: a comma,
// and then more is true and i where the next one begins, or the closing character.
func follow(data []byte, i int, closing byte) (after int, more bool, err error) {
	i = space(data, i)
	switch {
	case i == len(data):
		return 0, false, ErrSyntax
	case data[i] == ',':
		return space(data, i+1), true, nil
	case data[i] == closing:
		return i + 1, false, nil
	}
	return 0, false, ErrSyntax
}

// member reads one key and its value at i.
func member(data []byte, i int) (key, value []byte, next int, err error) {
	end, err := str(data, i)
	if err != nil {
		return nil, nil, 0, err
	}
	key = data[i:end]
	i = space(data, end)
	if i == len(data) || data[i] != ':' {
		return nil, nil, 0, ErrSyntax
	}
	i = space(data, i+1)
	end, err = Value(data, i)
	if err != nil {
		return nil, nil, 0, err
	}
	return key, data[i:end], end, nil
}

func atEnd(data []byte, i int) error {
	if space(data, i) != len(data) {
		return ErrSyntax
	}
	return nil
}

// Value returns the end of the JSON value that starts at i.
func Value(data []byte, i int) (int, error) {
	var nest nesting
	for {
		end, opened, err := step(data, i, &nest)
		if err != nil {
			return 0, err
		}
		i = end
		if opened {
			continue
		}
		// A value ended: close what it ends, or go on behind the comma.
		for {
			if nest.depth == 0 {
				return i, nil
			}
			i = space(data, i)
			if i == len(data) {
				return 0, ErrSyntax
			}
			c := data[i]
			i++
			if c == ',' {
				if i, err = nest.next(data, space(data, i)); err != nil {
					return 0, err
				}
				break
			}
			if c != nest.closer() {
				return 0, ErrSyntax
			}
			nest.depth--
		}
	}
}

// step reads one scalar, one empty container, or the opening of a container up
// to its first value.
func step(data []byte, i int, nest *nesting) (end int, opened bool, err error) {
	if i >= len(data) {
		return 0, false, ErrSyntax
	}
	switch c := data[i]; c {
	case '{', '[':
		if err := nest.push(c == '{'); err != nil {
			return 0, false, err
		}
		i = space(data, i+1)
		if i < len(data) && data[i] == nest.closer() {
			nest.depth--
			return i + 1, false, nil
		}
		i, err = nest.next(data, i)
		return i, true, err
	case '"':
		end, err = str(data, i)
	case 't':
		end, err = literal(data, i, "true")
	case 'f':
		end, err = literal(data, i, "false")
	case 'n':
		end, err = literal(data, i, "null")
	default:
		end, err = number(data, i)
	}
	return end, false, err
}

// nesting remembers which open containers are objects, a bit each.
type nesting struct {
	depth   int
	objects [MaxDepth / 64]uint64
}

func (n *nesting) push(object bool) error {
	if n.depth == MaxDepth {
		return ErrDepth
	}
	word, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if object {
		n.objects[word] |= bit
	} else {
		n.objects[word] &^= bit
	}
	n.depth++
	return nil
}

func (n *nesting) inObject() bool {
	d := n.depth - 1
	return n.objects[d/64]&(1<<(d%64)) != 0
}

func (n *nesting) closer() byte {
	if n.inObject() {
		return '}'
	}
	return ']'
}

// next moves to the next value of the innermost container, over its key if it
// has one.
func (n *nesting) next(data []byte, i int) (int, error) {
	if !n.inObject() {
		return i, nil
	}
	end, err := str(data, i)
	if err != nil {
		return 0, err
	}
	i = space(data, end)
	if i == len(data) || data[i] != ':' {
		return 0, ErrSyntax
	}
	return space(data, i+1), nil
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

func literal(data []byte, i int, word string) (int, error) {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return 0, ErrSyntax
	}
	return i + len(word), nil
}

// str returns the end of the string that starts at i.
func str(data []byte, i int) (int, error) {
	if i >= len(data) || data[i] != '"' {
		return 0, ErrSyntax
	}
	start, ascii := i, true
	for i++; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(data[start:i]) {
				return 0, ErrUTF8
			}
			return i + 1, nil
		case c == '\\':
			end, err := escape(data, i)
			if err != nil {
				return 0, err
			}
			i = end - 1
		case c < 0x20:
			return 0, ErrSyntax
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return 0, ErrSyntax
}

// escape returns the end of the escape sequence that starts at i.
func escape(data []byte, i int) (int, error) {
	if i+1 >= len(data) {
		return 0, ErrSyntax
	}
	switch data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
		if _, ok := hex4(data, i+2); ok {
			return i + 6, nil
		}
	}
	return 0, ErrSyntax
}

func hex4(data []byte, i int) (rune, bool) {
	if i+4 > len(data) {
		return 0, false
	}
	var r rune
	for _, c := range data[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number returns the end of the number that starts at i (RFC 8259 section 6).
func number(data []byte, i int) (int, error) {
	if i < len(data) && data[i] == '-' {
		i++
	}
	if i >= len(data) || data[i] < '0' || data[i] > '9' {
		return 0, ErrSyntax
	}
	if data[i] == '0' {
		i++
	} else {
		i = digits(data, i)
	}
	if i < len(data) && data[i] == '.' {
		end := digits(data, i+1)
		if end == i+1 {
			return 0, ErrSyntax
		}
		i = end
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		end := digits(data, i)
		if end == i {
			return 0, ErrSyntax
		}
		i = end
	}
	return i, nil
}

func digits(data []byte, i int) int {
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	return i
}
