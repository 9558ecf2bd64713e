package jsontext

import "unicode/utf8"

// MaxDepth is how deep arrays and objects may nest. What one client sends reaches
// others, and a receiver in Python gives up at about 1000 levels, those that the
// protocols add and its own stack included.
const MaxDepth = 512

// plain tells the bytes that stand for themselves inside a JSON string of valid
// UTF-8: all but controls, quote and backslash.
var plain = func() (t [256]bool) {
	for c := 0x20; c < len(t); c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// Valid reports whether b is exactly one JSON value in valid UTF-8, nested at most
// MaxDepth deep, with white space around it allowed.
func Valid(b []byte) bool {
	end, ok := check(b, Space(b, 0))
	return ok && Space(b, end) == len(b) && utf8.Valid(b)
}

// IsObject reports whether b, which must be valid UTF-8, is exactly one JSON object
// within the bounds of Valid.
func IsObject(b []byte) bool {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	end, ok := check(b, i)
	return ok && Space(b, end) == len(b)
}

// Space returns the index of the first byte from b[i] on that is no white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// check returns the index after the JSON value that starts at b[i], which must not
// be white space. The value is checked whole, its UTF-8 apart.
func check(b []byte, i int) (int, bool) {
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return checkContainer(b, i)
	}
	return checkScalar(b, i)
}

func checkScalar(b []byte, i int) (int, bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		return checkString(b, i)
	case 't':
		return checkLiteral(b, i, "true")
	case 'f':
		return checkLiteral(b, i, "false")
	case 'n':
		return checkLiteral(b, i, "null")
	}
	return checkNumber(b, i)
}

func checkLiteral(b []byte, i int, literal string) (int, bool) {
	end := i + len(literal)
	return end, end <= len(b) && string(b[i:end]) == literal
}

// checkContainer walks an array or object without recursion: one bit per level
// remembers which of the two it is, so that input cannot grow the stack.
func checkContainer(b []byte, i int) (int, bool) {
	var objects [MaxDepth / 64]uint64
	depth, ok := 0, true
	for {
		// Here a value starts.
		i = Space(b, i)
		if i >= len(b) {
			return i, false
		}
		if c := b[i]; c == '{' || c == '[' {
			if depth == MaxDepth {
				return i, false
			}
			i = Space(b, i+1)
			if i < len(b) && b[i] == closing(c) {
				i++
			} else {
				setBit(&objects, depth, c == '{')
				depth++
				if c == '{' {
					if i, ok = checkKey(b, i); !ok {
						return i, false
					}
				}
				continue
			}
		} else if i, ok = checkScalar(b, i); !ok {
			return i, false
		}
		// Here a value has ended: close what closes, until another one starts.
		for {
			if depth == 0 {
				return i, true
			}
			i = Space(b, i)
			if i >= len(b) {
				return i, false
			}
			object := objects[(depth-1)/64]>>((depth-1)%64)&1 == 1
			if b[i] == ',' {
				i++
				if object {
					if i, ok = checkKey(b, Space(b, i)); !ok {
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

// closing is what closes an array or object that c opened.
func closing(c byte) byte { return c + 2 } // ']' and '}' stand two after '[' and '{'

func setBit(bits *[MaxDepth / 64]uint64, n int, on bool) {
	if on {
		bits[n/64] |= 1 << (n % 64)
	} else {
		bits[n/64] &^= 1 << (n % 64)
	}
}

// checkKey skips an object's key and the colon after it.
func checkKey(b []byte, i int) (int, bool) {
	if i >= len(b) || b[i] != '"' {
		return i, false
	}
	i, ok := checkString(b, i)
	if !ok {
		return i, false
	}
	i = Space(b, i)
	return i + 1, i < len(b) && b[i] == ':'
}

// checkString skips the string whose opening quote is b[i].
func checkString(b []byte, i int) (int, bool) {
	for i++; i < len(b); {
		c := b[i]
		switch {
		case plain[c]:
			i++
		case c == '"':
			return i + 1, true
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
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
		if _, ok := hex4(b, 2); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the four hexadecimal digits at b[i].
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case isDigit(c):
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// checkNumber skips the number at b[i] (RFC 8259, section 6).
func checkNumber(b []byte, i int) (int, bool) {
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
