package rawjson

import (
	"bytes"
	"strconv"
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
	s, err := String(key)
	return err == nil && s == name
}

// String decodes a raw JSON string. Text that is no string is ErrSyntax; an
// escaped half of a surrogate pair is ErrUTF8, since no UTF-8 text has it.
func String(value []byte) (string, error) {
	end, err := str(value, 0)
	if err != nil {
		return "", err
	}
	if end != len(value) {
		return "", ErrSyntax
	}
	inner := value[1 : end-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	return unescape(inner)
}

func unescape(inner []byte) (string, error) {
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); {
		if inner[i] != '\\' {
			out = append(out, inner[i])
			i++
			continue
		}
		c := inner[i+1]
		i += 2
		switch c {
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
			r, n, err := codePoint(inner, i)
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}

// codePoint reads the four digits at i, and the second half of a surrogate
// pair behind them.
func codePoint(inner []byte, i int) (rune, int, error) {
	r, _ := hex4(inner, i)
	if !utf16.IsSurrogate(r) {
		return r, 4, nil
	}
	if i+6 <= len(inner) && inner[i+4] == '\\' && inner[i+5] == 'u' {
		if low, ok := hex4(inner, i+6); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 10, nil
			}
		}
	}
	return 0, 0, ErrUTF8
}

// Int reads a raw number that is an integer within ±2^53, however it is
// written (1e3 is one).
func Int(value []byte) (int64, bool) {
	if end, err := number(value, 0); err != nil || end != len(value) {
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
// JSON.stringify writes it. s must be valid UTF-8.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
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
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
