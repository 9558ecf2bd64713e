package socketio

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// misfit is what a client is told of an argument that could not be decoded. The
// decoder's own error would show it the names of Go types.
func misfit(err error) *AckError {
	refusal := &AckError{Code: "invalid_payload", Message: "The first argument has a value of a wrong form."}
	if told, ok := errors.AsType[*AckError](err); ok {
		return told
	}
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return refusal
	}
	what := "The first argument"
	if mismatch.Field != "" {
		// The path names embedded structs too; what comes last is always JSON.
		field := mismatch.Field[strings.LastIndexByte(mismatch.Field, '.')+1:]
		what = fmt.Sprintf("Field %q of the first argument", field)
	}
	// "number 300" is a number that the field cannot hold.
	kind, number, _ := strings.Cut(mismatch.Value, " ")
	switch found := jsonKinds[kind]; {
	case number != "":
		refusal.Message = fmt.Sprintf("%s must be %s in range, not %s.", what, wanted(mismatch.Type), number)
	case found != "":
		refusal.Message = fmt.Sprintf("%s must be %s, not %s.", what, wanted(mismatch.Type), found)
	}
	return refusal
}

// jsonKinds words the kinds of JSON values that the decoder names.
var jsonKinds = map[string]string{
	"string": "a string", "number": "a number", "bool": "true or false", "array": "an array", "object": "an object",
}

var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

// wanted words the JSON value that decodes into a type.
func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(textual) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Array, reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return "a string of base64"
		}
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "another kind of value"
}
