// Package keyslot says in which slot of a Redis Cluster a key lies.
package keyslot

import "strings"

// Count is the number of slots.
const Count = 16384

// table has the checksum of each half of a byte: CRC-16/XMODEM.
var table = [16]uint16{
	0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
	0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
}

// Of is the slot of a key or sharded channel: that of its hash tag, if it has one.
func Of(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	crc := uint16(0)
	for i := range len(key) {
		crc = crc<<4 ^ table[byte(crc>>12)^key[i]>>4]
		crc = crc<<4 ^ table[byte(crc>>12)^key[i]&15]
	}
	return crc % Count
}
