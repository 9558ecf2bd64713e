// Package socketid makes the ids of Socket.IO sockets, and recognises them.
package socketid

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// An id is the base64url text of random bytes and their checksum. By the
// checksum every process recognises the ids of all others, so that an id can
// name its socket alone, while names of 20 characters that applications make
// up stay free: one in 2^32 looks like an id.
const (
	idLen    = 20
	idRandom = 11 // bytes
	idBytes  = idRandom + 4
)

// New returns the id of a new socket.
func New() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:idRandom]) // never fails
	binary.BigEndian.PutUint32(b[idRandom:], crc32.ChecksumIEEE(b[:idRandom]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Is reports whether a name is the id of a socket, of whatever process. No other
// room may have such a name.
func Is(name string) bool {
	if len(name) != idLen {
		return false
	}
	var b [idBytes]byte
	n, err := base64.RawURLEncoding.Decode(b[:], []byte(name))
	return err == nil && n == idBytes && binary.BigEndian.Uint32(b[idRandom:]) == crc32.ChecksumIEEE(b[:idRandom])
}
