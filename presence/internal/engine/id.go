package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	mathrand "math/rand/v2"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// randomID returns n random bytes as URL-safe text.
func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

// newLife names an owned member, from its join to its leave, with 72 random bits. It is no
// secret, and costs less than one.
func newLife() string {
	var raw [9]byte
	binary.LittleEndian.PutUint64(raw[:], mathrand.Uint64())
	raw[8] = byte(mathrand.Uint32())
	var text [12]byte
	base64.RawURLEncoding.Encode(text[:], raw[:])
	return string(text[:])
}

// A resume token is the connId that it takes over, a dot, and a secret of 128
// bits; a server finds the member by the first half and knows the client by
// the digest of the whole.
func newToken(connID string) string { return connID + "." + randomID(16) }

// tokenConn returns the connId in a token, and "" for text that is no token.
func tokenConn(token string) string {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return ""
	}
	return token[:i]
}

// digestOf is what the store keeps of a token.
func digestOf(token string) store.Digest {
	if token == "" {
		return store.Digest{}
	}
	sum := sha256.Sum256([]byte(token))
	return store.Digest(sum[:len(store.Digest{})])
}
