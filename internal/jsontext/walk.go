package jsontext

import "errors"

// ErrType says that a value is not of the kind that belongs there.
var ErrType = errors.New("not an object") // or not an array, where one belongs

// Members calls f for each member of the object that b is, in order, with the raw
// text of key (quotes included) and value. It stops at the first error of f, and
// returns it; a value of another kind is ErrType. f must not keep the slices beyond
// the life of b.
func Members(b []byte, f func(key, value []byte) error) error {
	i := Space(b, 0)
	if i == len(b) || b[i] != '{' {
		return ErrType
	}
	for i = Space(b, i+1); i < len(b) && b[i] == '"'; {
		keyEnd := stringEnd(b, i)
		start := behind(b, Space(b, keyEnd)) // the colon
		end := End(b, start)
		if end == start || keyEnd-i < 2 { // not checked text
			break
		}
		if err := f(b[i:keyEnd], b[start:end]); err != nil {
			return err
		}
		i = behind(b, Space(b, end)) // the comma
	}
	return nil
}

// Elements calls f for each element of the array that b is, in order, with its raw
// text. Otherwise it is like Members.
func Elements(b []byte, f func(element []byte) error) error {
	i := Space(b, 0)
	if i == len(b) || b[i] != '[' {
		return ErrType
	}
	for i = Space(b, i+1); i < len(b) && b[i] != ']'; {
		end := End(b, i)
		if end == i { // not checked text
			break
		}
		if err := f(b[i:end]); err != nil {
			return err
		}
		i = behind(b, Space(b, end)) // the comma
	}
	return nil
}

// behind returns where the next part starts behind the comma or colon at b[i].
func behind(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	return Space(b, i+1)
}

// End returns the index after the value that starts at b[i].
func End(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return containerEnd(b, i)
	}
	for i < len(b) && !ends[b[i]] {
		i++
	}
	return i
}

// ends tells the bytes that end a number or literal.
var ends = [256]bool{',': true, ']': true, '}': true, ':': true, ' ': true, '\n': true, '\r': true, '\t': true}

// containerEnd returns the index after the array or object that opens at b[i].
func containerEnd(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// stringEnd returns the index after the string whose opening quote is b[i].
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(b)
}
