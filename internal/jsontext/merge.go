package jsontext

import (
	"bytes"
	"sync"
)

// pair is one member of an object, raw. was is the value it began with, nil if
// the patch added it; value is nil when it was removed.
type pair struct{ key, value, was []byte }

// Merge merges the object patch into the object state, shallowly: each key of
// patch replaces the value of the same key of state whole, at its old place;
// new keys follow in the patch's order. Then it removes the keys that the array
// remove names. A nil patch or remove does nothing. Keys are compared as decoded
// text; of a key that occurs twice the last counts, as it does to JSON.parse, and
// both are removed. changed reports whether any value differs in the end, spaces
// aside; if none does, merged is state itself. A patch or state that is no object, or
// a remove that is no array, is ErrType.
func Merge(state, patch, remove []byte) (merged []byte, changed bool, err error) {
	m := mergers.Get().(*merger)
	defer m.free()
	if err := Members(state, m.add); err != nil {
		return nil, false, err
	}
	if patch != nil {
		if err := Members(patch, m.set); err != nil {
			return nil, false, err
		}
	}
	if remove != nil {
		if err := m.remove(remove); err != nil {
			return nil, false, err
		}
	}
	if !m.changed() {
		return state, false, nil
	}
	return m.encode(len(state) + len(patch)), true, nil
}

// fewPairs is up to how many members a search by eye beats a map.
const fewPairs = 16

type merger struct {
	room  [fewPairs]pair
	pairs []pair
	index map[string]int // decoded key → place in pairs; nil while there are few
}

var mergers = sync.Pool{New: func() any {
	m := new(merger)
	m.pairs = m.room[:0]
	return m
}}

func (m *merger) free() {
	clear(m.room[:]) // texts are their owners'
	m.pairs, m.index = m.room[:0], nil
	mergers.Put(m)
}

func (m *merger) changed() bool {
	for _, p := range m.pairs {
		if (p.value == nil) != (p.was == nil) || p.value != nil && !SameText(p.value, p.was) {
			return true
		}
	}
	return false
}

func (m *merger) add(key, value []byte) error {
	m.pairs = append(m.pairs, pair{key, value, value})
	if m.index != nil {
		m.index[text(key)] = len(m.pairs) - 1
	} else if len(m.pairs) > fewPairs {
		m.index = make(map[string]int, 2*len(m.pairs))
		for i, p := range m.pairs {
			m.index[text(p.key)] = i
		}
	}
	return nil
}

func (m *merger) set(key, value []byte) error {
	i := m.find(key)
	if i < 0 {
		i = len(m.pairs)
		if err := m.add(key, value); err != nil {
			return err
		}
		m.pairs[i].was = nil
	}
	m.pairs[i].value = value
	return nil
}

// remove removes the members whose keys an array names.
func (m *merger) remove(keys []byte) error {
	if len(m.pairs) > fewPairs {
		return m.removeMany(keys)
	}
	return Elements(keys, func(key []byte) error {
		for i := range m.pairs {
			if sameKey(m.pairs[i].key, key) {
				m.pairs[i].value = nil
			}
		}
		return nil
	})
}

// removeMany is remove where a search for each key would be slow.
func (m *merger) removeMany(keys []byte) error {
	gone := make(map[string]struct{})
	err := Elements(keys, func(key []byte) error {
		gone[text(key)] = struct{}{}
		return nil
	})
	for i := range m.pairs {
		if _, ok := gone[text(m.pairs[i].key)]; ok {
			m.pairs[i].value = nil
		}
	}
	return err
}

func (m *merger) find(key []byte) int {
	if m.index != nil {
		if i, ok := m.index[text(key)]; ok {
			return i
		}
		return -1
	}
	for i := len(m.pairs) - 1; i >= 0; i-- {
		if sameKey(m.pairs[i].key, key) {
			return i
		}
	}
	return -1
}

func (m *merger) encode(size int) []byte {
	out := append(make([]byte, 0, size), '{')
	for _, p := range m.pairs {
		if p.value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, p.key...)
		out = append(out, ':')
		out = append(out, p.value...)
	}
	return append(out, '}')
}

// text is the key as it reads; one with half a surrogate pair stays as written.
func text(key []byte) string {
	if s, ok := Unquote(key); ok {
		return string(s)
	}
	return string(key)
}

func sameKey(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return false
	}
	return text(a) == text(b)
}

// SameText reports whether two JSON texts are the same but for the spaces
// between their parts.
func SameText(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	quoted := false
	i, j := 0, 0
	for {
		if !quoted {
			i, j = Space(a, i), Space(b, j)
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i] != b[j] {
			return false
		}
		switch {
		case a[i] == '"':
			quoted = !quoted
		case quoted && a[i] == '\\' && i+1 < len(a) && j+1 < len(b):
			i, j = i+1, j+1
			if a[i] != b[j] {
				return false
			}
		}
		i, j = i+1, j+1
	}
}
