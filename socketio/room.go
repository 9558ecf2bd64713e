package socketio

import (
	"fmt"
	"slices"

	"github.com/realtime-ai/realtime-message-go/internal/socketid"
)

// room is a set of local sockets. Member i has the room as entry places[i] of
// its own list, and that entry says i: so leaving looks for nothing, however
// many rooms a client had itself put into.
type room struct {
	name    string
	members []*Socket
	places  []int32
}

// membership is a socket's entry for a room that it is in.
type membership struct {
	room  *room
	index int // in room.members
}

// join puts a socket into all of the rooms or into none.
func (n *Namespace) join(s *Socket, names []string) error {
	for _, name := range names {
		if socketid.Is(name) {
			return fmt.Errorf("%w: %q", ErrRoomName, name)
		}
	}
	n.mu.Lock()
	if !s.listed {
		n.mu.Unlock()
		return ErrDisconnected
	}
	for _, name := range names {
		if r := n.rooms[name]; s.place(r) < 0 {
			n.enter(s, r, name)
		}
	}
	n.mu.Unlock()
	n.tellAdapter()
	return nil
}

// enter puts s into a room, which is made when there is none.
func (n *Namespace) enter(s *Socket, r *room, name string) {
	if r == nil {
		r = &room{name: name}
		n.rooms[name] = r
		n.notify(name, true)
	}
	r.places = append(r.places, int32(len(s.rooms)))
	s.rooms = append(s.rooms, membership{r, len(r.members)})
	r.members = append(r.members, s)
}

func (n *Namespace) leave(s *Socket, name string) {
	n.mu.Lock()
	if i := s.place(n.rooms[name]); i >= 0 {
		n.exit(s, i)
	}
	n.mu.Unlock()
	n.tellAdapter()
}

// exit ends membership i of s. What is last in the room's list and in the
// socket's takes the place that becomes free there.
func (n *Namespace) exit(s *Socket, i int) {
	r := s.rooms[i].room
	r.remove(s.rooms[i].index)
	last := len(s.rooms) - 1
	if i != last {
		s.rooms[i] = s.rooms[last]
		s.rooms[i].room.places[s.rooms[i].index] = int32(i)
	}
	s.rooms[last] = membership{}
	s.rooms = s.rooms[:last]
	if len(r.members) == 0 {
		delete(n.rooms, r.name)
		n.notify(r.name, false)
	}
}

// remove takes out member at.
func (r *room) remove(at int) {
	last := len(r.members) - 1
	moved, place := r.members[last], r.places[last]
	r.members[at], r.places[at] = moved, place
	moved.rooms[place].index = at
	r.members[last] = nil
	r.members, r.places = r.members[:last], r.places[:last]
	if c := cap(r.members); c > 64 && last < c/4 {
		r.members = append(make([]*Socket, 0, c/2), r.members...)
		r.places = append(make([]int32, 0, c/2), r.places...)
	}
}

// list makes a socket reachable by broadcasts.
func (n *Namespace) list(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !s.gone {
		s.listed = true
		n.sockets[s.id] = s
	}
}

// drop takes a socket out of its rooms and the namespace for good.
func (n *Namespace) drop(s *Socket) {
	n.mu.Lock()
	s.gone = true
	if s.listed {
		s.listed = false
		delete(n.sockets, s.id)
		for i := len(s.rooms) - 1; i >= 0; i-- {
			n.exit(s, i)
		}
		s.rooms = nil
	}
	n.mu.Unlock()
	n.tellAdapter()
}

// collect appends to dst the sockets that are addressed, each once.
func (n *Namespace) collect(dst []*Socket, to audience) []*Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	switch {
	case !to.narrowed:
		dst = slices.Grow(dst, len(n.sockets))
		for _, s := range n.sockets {
			dst = append(dst, s)
		}
	case len(to.rooms) == 1:
		dst = n.appendNamed(dst, to.rooms[0])
	case len(to.rooms) > 1:
		for _, name := range distinct(slices.Clone(to.rooms)) {
			dst = n.appendNamed(dst, name)
		}
		dst = distinct(dst)
	}
	if len(dst) > 0 && len(to.except) > 0 {
		dst = n.without(dst, to.except)
	}
	return dst
}

// appendNamed appends the sockets of a room, or the one whose id the name is.
func (n *Namespace) appendNamed(dst []*Socket, name string) []*Socket {
	if r := n.rooms[name]; r != nil {
		dst = append(dst, r.members...)
	}
	if s := n.sockets[name]; s != nil {
		dst = append(dst, s)
	}
	return dst
}

// without removes from the list the sockets of the named rooms.
func (n *Namespace) without(list []*Socket, names []string) []*Socket {
	if len(names) == 1 { // nearly always the sender's own id
		s, r := n.sockets[names[0]], n.rooms[names[0]]
		return slices.DeleteFunc(list, func(o *Socket) bool { return o == s || o.place(r) >= 0 })
	}
	out := make(map[*Socket]struct{})
	var named []*Socket
	for _, name := range distinct(slices.Clone(names)) {
		named = n.appendNamed(named[:0], name)
		for _, s := range named {
			out[s] = struct{}{}
		}
	}
	return slices.DeleteFunc(list, func(s *Socket) bool {
		_, excepted := out[s]
		return excepted
	})
}

// distinct removes what is repeated from a list in place, keeping the order.
func distinct[T comparable](list []T) []T {
	seen := make(map[T]struct{}, len(list))
	return slices.DeleteFunc(list, func(v T) bool {
		_, again := seen[v]
		seen[v] = struct{}{}
		return again
	})
}

// place returns the place in s.rooms of a room, or -1; nil is no room. It looks
// through the shorter of the two lists that know.
func (s *Socket) place(r *room) int {
	switch {
	case r == nil:
		return -1
	case len(s.rooms) <= len(r.members):
		return slices.IndexFunc(s.rooms, func(m membership) bool { return m.room == r })
	}
	if i := slices.Index(r.members, s); i >= 0 {
		return int(r.places[i])
	}
	return -1
}
