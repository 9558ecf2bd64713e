package redisstore

import (
	"strconv"
	"strings"
)

// keys builds the names of keys and channels. Everything about one room, and
// everything about one node, lies in one slot of a cluster.
type keys struct {
	prefix string
	// events ends the name of a channel. Channels are common to all databases
	// of a Redis, so it holds the number of any but the first.
	events string
}

func newKeys(prefix string, db int) keys {
	k := keys{prefix, ":events"}
	if db != 0 {
		k.events += ":" + strconv.Itoa(db)
	}
	return k
}

func (k keys) room(id string) string    { return string(k.appendRoom(nil, id)) }
func (k keys) channel(id string) string { return k.room(id) + k.events }
func (k keys) node(id string) string    { return k.prefix + "{node:" + escape(id) + "}:conns" }
func (k keys) claim(id string) string   { return k.prefix + "{node:" + escape(id) + "}:claim" }
func (k keys) user(id string) string    { return k.prefix + "user:" + id }
func (k keys) conn(id string) string    { return k.prefix + "conn:" + id }
func (k keys) nodes() string            { return k.prefix + "nodes" }
func (k keys) nodesEvents() string      { return k.prefix + "nodes" + k.events }

func (k keys) appendRoom(dst []byte, id string) []byte {
	dst = append(append(dst, k.prefix...), "{room:"...)
	return append(append(dst, escape(id)...), '}')
}

var (
	escaper   = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")
	unescaper = strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}")
)

// escape makes an id safe between the braces of a hash tag.
func escape(id string) string {
	if !strings.ContainsAny(id, "{}%") {
		return id
	}
	return escaper.Replace(id)
}

// unescape is the inverse of escape.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return unescaper.Replace(s)
}
