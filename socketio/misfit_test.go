package socketio

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

type Secret struct {
	Age int8 `json:"age"`
}

type picky struct{}

func (*picky) UnmarshalJSON([]byte) error { return &AckError{Code: "picky", Message: "Not like that."} }

// What an argument should have been is told in terms of JSON, never of Go.
func TestTypedNamesWhatDoesNotFit(t *testing.T) {
	type request struct {
		Secret
		Inner struct {
			Ratio float64 `json:"ratio"`
		} `json:"inner"`
		Names []string              `json:"names"`
		Sizes map[string]int        `json:"sizes"`
		On    bool                  `json:"on"`
		Raw   []byte                `json:"raw"`
		Addr  netip.Addr            `json:"addr"`
		At    time.Time             `json:"at"`
		Picky *picky                `json:"picky"`
		Any   interface{ Secret() } `json:"any"`
	}
	const anyForm = "The first argument has a value of a wrong form."
	h := Typed(func(context.Context, *Socket, request) (int, error) { return 0, nil })
	for arg, want := range map[string]string{
		`[]`:                       `The first argument must be an object, not an array.`,
		`{"age":"7"}`:              `Field "age" of the first argument must be a whole number, not a string.`,
		`{"age":300}`:              `Field "age" of the first argument must be a whole number in range, not 300.`,
		`{"inner":{"ratio":true}}`: `Field "ratio" of the first argument must be a number, not true or false.`,
		`{"inner":7}`:              `Field "inner" of the first argument must be an object, not a number.`,
		`{"names":{}}`:             `Field "names" of the first argument must be an array, not an object.`,
		`{"names":[1]}`:            `Field "names" of the first argument must be a string, not a number.`,
		`{"sizes":[]}`:             `Field "sizes" of the first argument must be an object, not an array.`,
		`{"on":1}`:                 `Field "on" of the first argument must be true or false, not a number.`,
		`{"raw":1}`:                `Field "raw" of the first argument must be a string of base64, not a number.`,
		`{"raw":"%"}`:              anyForm,
		`{"addr":1}`:               `Field "addr" of the first argument must be a string, not a number.`,
		`{"addr":"x"}`:             anyForm,
		`{"at":"x"}`:               anyForm,
		`{"any":{}}`:               `Field "any" of the first argument must be another kind of value, not an object.`,
		`{"picky":1}`:              `Not like that.`,
	} {
		m := &Message{payload: []byte(`["e",` + arg + `]`)}
		m.index, _ = jsontext.IndexArray(m.payload)
		err := h(t.Context(), nil, m)
		told, ok := err.(*AckError)
		if !ok || told.Message != want || strings.HasPrefix(want, "F") && told.Code != "invalid_payload" {
			t.Errorf("%s: %#v, want %q", arg, err, want)
		}
	}
}
