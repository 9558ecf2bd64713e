package record

import (
	"strconv"
	"strings"
)

// Keys builds the names of keys and channels. Everything about one room, and
// everything about one node, lies in one slot of a cluster.
type Keys struct {
	Base   string // Options.Prefix
	Prefix string // of prs:conn, whose form is documented: base and the namespace
	own    string // of all others: prefix and the version of their form
	// Events ends the name of a channel. Channels are common to all databases
	// of a Redis, so it holds the number of any but the first.
	Events string
}

// KeyVersion is the version of keys and of what they hold, apart from prs:conn. Another
// one makes another world: servers of two versions of it cannot run side by side.
const KeyVersion = "1:"

// NewKeys returns the names for a prefix, a namespace and the number of a database.
func NewKeys(base, namespace string, db int) Keys {
	prefix := base
	if namespace != "" && namespace != "/" {
		prefix += namespaceEscaper.Replace(namespace) + ":"
	}
	k := Keys{base, prefix, prefix + KeyVersion, ":events"}
	if db != 0 {
		k.Events += ":" + strconv.Itoa(db)
	}
	return k
}

// Room is the key of a room's members.
func (k Keys) Room(id string) string { return string(k.AppendRoom(nil, id)) }

// Channel is that of a room's events.
func (k Keys) Channel(id string) string { return k.Room(id) + k.Events }

// NodeRooms is the key of the rooms in which a node may have members.
func (k Keys) NodeRooms(id string) string {
	return k.own + "{node:" + escape(id) + "}:rooms"
}

// Claim is the key of who reaps a node.
func (k Keys) Claim(id string) string { return k.own + "{node:" + escape(id) + "}:claim" }

// User is the key of where a user is.
func (k Keys) User(id string) string { return k.own + "user:" + id }

// Conn is the key of the record of a connection.
func (k Keys) Conn(id string) string { return k.Prefix + "conn:" + id }

// Nodes is the key of the life signs.
func (k Keys) Nodes() string { return k.own + "nodes" }

// NodesEvents is the channel of all nodes.
func (k Keys) NodesEvents() string { return k.own + "nodes" + k.Events }

// Former is where life signs were before keys had a version.
func (k Keys) Former() string { return k.Base + "nodes" }

// AppendRoom appends Room(id).
func (k Keys) AppendRoom(dst []byte, id string) []byte {
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

// A room is a hash: "m:" and a connId hold a member, "u:" and a userId the
// number of that user's members, "at" where the room stands.
const (
	AtField      = "at"
	MemberField  = "m:"
	CounterField = "u:"
)
