package jsontext

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// IsNull reports whether the raw value is null.
func IsNull(value []byte) bool { return string(value) == "null" }

// KeyIs reports whether a raw key (quotes included) spells name, whatever
// escapes it is written with.
func KeyIs(key []byte, name string) bool {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == name
	}
	s, ok := Unquote(key)
	return ok && string(s) == name
}

// Unquote returns the text of a raw string. It copies only when there is an escape.
// An escaped half of a surrogate pair becomes U+FFFD and ok false, since no UTF-8
// text has it. So is a value that is no string, which has no text.
func Unquote(value []byte) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return nil, false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return unescape(inner)
}

func unescape(inner []byte) (out []byte, ok bool) {
	out, ok = make([]byte, 0, len(inner)), true
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c != '\\' || i+1 == len(inner) {
			out = append(out, c)
			continue
		}
		i++
		switch c = inner[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := codePoint(inner, i+1)
			ok = ok && !utf16.IsSurrogate(r)
			out = utf8.AppendRune(out, r) // U+FFFD for half a pair
			i += n
		default:
			out = append(out, c)
		}
	}
	return out, ok
}

// codePoint reads the four digits at i, and the second half of a surrogate pair
// behind them. Half a pair is returned as it is.
func codePoint(inner []byte, i int) (r rune, n int) {
	r, _ = hex4(inner, i)
	if !utf16.IsSurrogate(r) {
		return r, 4
	}
	if i+6 <= len(inner) && inner[i+4] == '\\' && inner[i+5] == 'u' {
		if low, ok := hex4(inner, i+6); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 10
			}
		}
	}
	return r, 4
}

// Int reads a raw number that is an integer within ±2^53, however it is
// written (1e3 is one). Any other text is none.
func Int(value []byte) (int64, bool) {
	if end, ok := checkNumber(value, 0); !ok || end != len(value) {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n, n >= -1<<53 && n <= 1<<53
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f != float64(int64(f)) || f < -1<<53 || f > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with the fewest escapes, the way
// JSON.stringify writes it. Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	begin, all := len(dst), byte(0)
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		all |= c
		if plain[c] {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	if all >= utf8.RuneSelf && !utf8.ValidString(s) {
		return AppendString(dst[:begin], strings.ToValidUTF8(s, "\ufffd"))
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
