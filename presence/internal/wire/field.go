package wire

import (
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// fields calls take for each field of a payload, whose JSON was checked when it
// came in, with a nil value for null: as with any other value, the last of a field
// that is there twice counts. A payload that is missing or null has none.
func fields(payload []byte, take func(key, value []byte) error) error {
	if len(payload) == 0 || jsontext.IsNull(payload) {
		return nil
	}
	err := jsontext.Members(payload, func(key, value []byte) error {
		if jsontext.IsNull(value) {
			value = nil
		}
		return take(key, value)
	})
	if errors.Is(err, jsontext.ErrType) {
		return Invalid("The payload must be an object.")
	}
	return err
}

// The functions below read one field each; nil, for null, is a field left out.

// parseID reads a room or user id.
func parseID(field string, value []byte, l Limits) (string, error) {
	id, err := parseName(field, value)
	if err != nil {
		return "", err
	}
	if len(id) > l.IDBytes {
		return "", Invalid("%s has %d bytes of UTF-8; at most %d are allowed.", field, len(id), l.IDBytes)
	}
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return "", Invalid("%s has a control character.", field)
		}
	}
	return id, nil
}

// parseName reads a string that is not empty.
func parseName(field string, value []byte) (string, error) {
	if value == nil {
		return "", nil
	}
	name, err := parseString(field, value)
	if err == nil && name == "" {
		err = Invalid("%s is empty.", field)
	}
	return name, err
}

// parseString reads a string that is not left out.
func parseString(field string, value []byte) (string, error) {
	if value[0] != '"' {
		return "", Invalid("%s must be a string.", field)
	}
	text, ok := jsontext.Unquote(value)
	if !ok {
		return "", Invalid("%s is not valid UTF-8.", field)
	}
	return string(text), nil
}

func parseObject(field string, value []byte) ([]byte, error) {
	if value != nil && value[0] != '{' {
		return nil, Invalid("%s must be an object.", field)
	}
	return value, nil
}

func parseArray(field string, value []byte) ([]byte, error) {
	if value != nil && value[0] != '[' {
		return nil, Invalid("%s must be an array.", field)
	}
	return value, nil
}

// parseKeys reads an array of strings, which stays text.
func parseKeys(field string, value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	err := jsontext.Elements(value, func(key []byte) error {
		if key[0] != '"' {
			return jsontext.ErrType
		}
		return nil
	})
	if errors.Is(err, jsontext.ErrType) {
		return nil, Invalid("%s must be an array of strings.", field)
	}
	return value, err
}

// maxToken is longer than any token. Longer text is not a token of this server.
const maxToken = 512

func parseToken(value []byte) (string, error) {
	if value == nil {
		return "", nil
	}
	if value[0] == '"' && len(value) > maxToken {
		return "", nil // not one of ours: an ordinary join
	}
	return parseString("resume", value)
}

// parseCount reads an integer from 0.
func parseCount(field string, value []byte) (Optional, error) {
	if value == nil {
		return Optional{}, nil
	}
	n, ok := jsontext.Int(value)
	if !ok || n < 0 {
		return Optional{}, Invalid("%s must be an integer from 0.", field)
	}
	return Optional{n, true}, nil
}

func parseBool(field string, value []byte) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, Invalid("%s must be true or false.", field)
}

// parseGrace reads a grace in ms and caps it.
func parseGrace(value []byte, l Limits) (Optional, error) {
	grace, err := parseCount("graceMs", value)
	grace.Value = min(grace.Value, l.GraceMs)
	return grace, err
}
