package engineio

import "io"

const (
	// readSize is the size of the pooled buffers, which are held only while bytes are handled.
	readSize = 8 << 10
	// plainReadSize is that of a connection which cannot wait without a buffer.
	plainReadSize = 2 << 10
)

// readBuf holds bytes that were read and not yet handled.
type readBuf struct {
	data []byte
	n    int   // bytes in data
	err  error // why the last read gave none
}

// read waits for bytes, and puts them behind those that c.in has. There is always room, since the
// parser leaves no more behind than the start of a frame that fits.
func (c *wsCarrier) read() error {
	if c.raw != nil {
		if err := c.raw.Read(c.ready); err != nil {
			return err
		}
		return c.in.err
	}
	n, err := c.conn.Read(c.in.data[c.in.n:])
	c.in.n += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
