// Package jsontext checks, reads and edits JSON text without decoding it: values
// stay the bytes that the client sent, so that numbers, key order and escapes come
// back exactly as they came.
//
// Text is checked once, where it comes in, with [Valid] or [IndexArray]. The other
// functions take text that was checked and do not check it again. Given any other
// text they return something useless, but they neither panic nor read past its end.
// Nothing allocates but what it returns.
package jsontext
