package respconn

import "strconv"

// Command is a command with its arguments, in the order in which they are sent.
type Command struct {
	Words []string // the first ones, as they are
	Keys  []string // after them
	Args  []string // after these
}

// appendTo appends it as RESP.
func (c *Command) appendTo(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, '*'), int64(len(c.Words)+len(c.Keys)+len(c.Args)), 10)
	dst = append(dst, "\r\n"...)
	for _, list := range [...][]string{c.Words, c.Keys, c.Args} {
		for _, s := range list {
			dst = strconv.AppendInt(append(dst, '$'), int64(len(s)), 10)
			dst = append(append(append(dst, "\r\n"...), s...), "\r\n"...)
		}
	}
	return dst
}
