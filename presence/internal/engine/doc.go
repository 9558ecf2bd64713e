// Package engine is presence on one node, without any Socket.IO in it. It puts a node
// together, opens and closes it, and does what concerns the whole of it: it hears when this
// node was declared dead and sees to the members of nodes that are (node.Host), repeats what
// the store may have lost, keeps the indexes fresh, drains, kicks, and tells where users are.
//
// What the parts do is in the packages below: core has what they share, rooms what is shown of
// a room, owned the members that this node writes, sessions the sockets and their requests.
//
// Its tests are those of all of these together, the simulation among them.
package engine
