package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

var (
	errPacket = errors.New("engineio: not a packet")
	// errPeerClosed says that the client asked to close.
	errPeerClosed = errors.New("engineio: closed by the client")
)

// cutPacket returns the first packet of a polling payload and what follows it. A binary packet is
// decoded, without its mark. An empty payload holds one, empty, packet, which is an error.
func cutPacket(payload []byte) (packet []byte, binary bool, rest []byte, err error) {
	packet, rest, more := bytes.Cut(payload, []byte{separator})
	if more && len(rest) == 0 {
		return nil, false, nil, errPacket // a separator with nothing behind it
	}
	if len(packet) == 0 {
		return nil, false, nil, errPacket
	}
	if packet[0] != packetBinary {
		if !utf8.Valid(packet) {
			return nil, false, nil, errPacket
		}
		return packet, false, rest, nil
	}
	data, err := decodeBinary(packet)
	if err != nil {
		return nil, false, nil, err
	}
	return data, true, rest, nil
}

// decodeBinary decodes a binary packet in base64, its mark included. Clients pad it or not.
func decodeBinary(packet []byte) ([]byte, error) {
	text := bytes.TrimRight(packet[1:], "=")
	data := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
	n, err := base64.RawStdEncoding.Decode(data, text)
	if err != nil {
		return nil, errPacket
	}
	return data[:n], nil
}

// appendPacket appends f to a polling payload, after a separator if it is not the first: if there
// is something in dst, or behind says so.
func appendPacket(dst []byte, f *Frame, behind bool) []byte {
	dst = appendSeparator(dst, behind)
	if f.kind == binaryFrame {
		dst = append(dst, packetBinary)
		return base64.StdEncoding.AppendEncode(dst, f.payload())
	}
	dst = append(dst, f.payload()...)
	if f.joined() {
		dst = append(append(dst, f.more.text...), f.more.tail...)
	}
	return dst
}

func appendSeparator(dst []byte, behind bool) []byte {
	if behind || len(dst) > 0 {
		return append(dst, separator)
	}
	return dst
}

// packetLen is the number of bytes of f in a polling payload.
func packetLen(f *Frame) int {
	size := f.size() - int(f.head)
	if f.kind == binaryFrame {
		return 1 + base64.StdEncoding.EncodedLen(size)
	}
	return size
}
