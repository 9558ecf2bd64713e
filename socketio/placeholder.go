package socketio

import (
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// In the JSON of a packet with attachments, {"_placeholder":true,"num":N}
// stands for the N-th of them. A client that meets a number without an
// attachment drops its connection, so no such packet may be passed on.

// appendPlaceholder appends what stands for attachment n.
func appendPlaceholder(dst []byte, n int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, '}')
}

// placeholdersWithin reports whether every placeholder in the checked JSON b
// names one of n attachments.
func placeholdersWithin(b []byte, n int) bool {
	_, ok := walkPlaceholders(b, jsontext.Space(b, 0), n)
	return ok
}

// walkPlaceholders returns the index after the value at b[i], and whether the
// placeholders in it are good. Its recursion is bounded by jsontext.MaxDepth,
// which the check of the JSON has enforced.
func walkPlaceholders(b []byte, i, n int) (end int, ok bool) {
	switch b[i] {
	case '[':
		return walkElements(b, i, func(i int) (int, bool) { return walkPlaceholders(b, i, n) })
	case '{':
		return walkObject(b, i, n)
	}
	return jsontext.End(b, i), true
}

// walkElements calls elem at the start of each element of the array or object
// at b[i]; elem returns where its element ends.
func walkElements(b []byte, i int, elem func(i int) (int, bool)) (int, bool) {
	closing := b[i] + 2
	ok := true
	for i = jsontext.Space(b, i+1); b[i] != closing; i = jsontext.Space(b, i) {
		if b[i] == ',' {
			i = jsontext.Space(b, i+1)
		}
		end, good := elem(i)
		i, ok = end, ok && good
	}
	return i + 1, ok
}

func walkObject(b []byte, i, n int) (int, bool) {
	var flag, num []byte
	end, ok := walkElements(b, i, func(i int) (int, bool) {
		keyEnd := jsontext.End(b, i)
		start := jsontext.Space(b, jsontext.Space(b, keyEnd)+1) // over the colon
		end, ok := walkPlaceholders(b, start, n)
		name, _ := jsontext.Unquote(b[i:keyEnd])
		switch string(name) { // the last of equal keys counts, as in JavaScript
		case "_placeholder":
			flag = b[start:end]
		case "num":
			num = b[start:end]
		}
		return end, ok
	})
	if string(flag) != "true" {
		return end, ok
	}
	at, good := placeholderNumber(num)
	return end, ok && good && at < n
}

// placeholderNumber reads the number as encoders write it: digits, nothing else.
func placeholderNumber(num []byte) (int, bool) {
	n, digits := leadingNumber(num)
	if digits == 0 || digits > 9 || digits != len(num) {
		return 0, false
	}
	return int(n), true
}

// placeholderArg returns which attachment an argument is, if it is one.
func placeholderArg(arg []byte) (int, bool) {
	const prefix, suffix = `{"_placeholder":true,"num":`, `}`
	if len(arg) <= len(prefix)+len(suffix) || string(arg[:len(prefix)]) != prefix || arg[len(arg)-1] != '}' {
		return 0, false
	}
	return placeholderNumber(arg[len(prefix) : len(arg)-len(suffix)])
}
