package redisstore

import (
	"strconv"
	"strings"
)

// keys builds the names of keys and channels. Everything about one room, and
// everything about one node, lies in one slot of a cluster.
type keys struct {
	base   string // Options.Prefix
	prefix string // of prs:conn, whose form is documented: base and the namespace
	own    string // of all others: prefix and the version of their form
	// events ends the name of a channel. Channels are common to all databases
	// of a Redis, so it holds the number of any but the first.
	events string
}

// keyVersion is the version of keys and of what they hold, apart from prs:conn. Another
// one makes another world: servers of two versions of it cannot run side by side.
const keyVersion = "1:"

func newKeys(base, namespace string, db int) keys {
	prefix := base
	if namespace != "" && namespace != "/" {
		prefix += namespaceEscaper.Replace(namespace) + ":"
	}
	k := keys{base, prefix, prefix + keyVersion, ":events"}
	if db != 0 {
		k.events += ":" + strconv.Itoa(db)
	}
	return k
}

func (k keys) room(id string) string    { return string(k.appendRoom(nil, id)) }
func (k keys) channel(id string) string { return k.room(id) + k.events }
func (k keys) nodeRooms(id string) string {
	return k.own + "{node:" + escape(id) + "}:rooms"
}
func (k keys) claim(id string) string { return k.own + "{node:" + escape(id) + "}:claim" }
func (k keys) user(id string) string  { return k.own + "user:" + id }
func (k keys) conn(id string) string  { return k.prefix + "conn:" + id }
func (k keys) nodes() string          { return k.own + "nodes" }
func (k keys) nodesEvents() string    { return k.own + "nodes" + k.events }

// former is where life signs were before keys had a version.
func (k keys) former() string { return k.base + "nodes" }

func (k keys) appendRoom(dst []byte, id string) []byte {
	dst = append(append(dst, k.own...), "{room:"...)
	return append(append(dst, escape(id)...), '}')
}

var (
	escaper = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")
	// Where a namespace ends is known by its colon.
	namespaceEscaper = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", ":", "%3A")
)

// escape makes an id safe between the braces of a hash tag.
func escape(id string) string {
	if !strings.ContainsAny(id, "{}%") {
		return id
	}
	return escaper.Replace(id)
}
