package socketio

import "slices"

// room is a set of local sockets: a slice, in which every member knows its
// place through its membership.
type room struct {
	name    string
	members []*Socket
}

// membership is a socket's entry for a room that it is in.
type membership struct {
	room  *room
	index int // in room.members
}

// join puts a socket into rooms. A socket that has left the namespace joins
// nothing any more. Ids name their sockets and no rooms.
func (n *Namespace) join(s *Socket, names []string) {
	n.mu.Lock()
	if s.listed {
		for _, name := range names {
			if s.membership(name) < 0 && !isID(name) {
				n.enter(s, name)
			}
		}
	}
	n.mu.Unlock()
	n.tellAdapter()
}

func (n *Namespace) enter(s *Socket, name string) {
	r := n.rooms[name]
	if r == nil {
		r = &room{name: name}
		n.rooms[name] = r
		n.notices.add(name, true)
	}
	s.rooms = append(s.rooms, membership{r, len(r.members)})
	r.members = append(r.members, s)
}

func (n *Namespace) leave(s *Socket, name string) {
	n.mu.Lock()
	if i := s.membership(name); i >= 0 {
		n.exit(s, i)
	}
	n.mu.Unlock()
	n.tellAdapter()
}

// exit ends membership i of s. The last member of the room takes the place
// that becomes free.
func (n *Namespace) exit(s *Socket, i int) {
	r, at := s.rooms[i].room, s.rooms[i].index
	last := len(r.members) - 1
	moved := r.members[last]
	place := slices.IndexFunc(moved.rooms, func(m membership) bool { return m.room == r })
	moved.rooms[place].index = at
	r.members[at] = moved
	r.members[last] = nil
	r.members = r.members[:last]
	s.rooms = slices.Delete(s.rooms, i, i+1)
	if last == 0 {
		delete(n.rooms, r.name)
		n.notices.add(r.name, false)
		return
	}
	if c := cap(r.members); c > 64 && last < c/4 {
		r.members = append(make([]*Socket, 0, c/2), r.members...)
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

// drop takes a socket out of its rooms and the namespace, for ever.
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

// collect appends to dst the sockets in any of the rooms, each once, that are in
// none of the excepted ones. No rooms means all sockets.
func (n *Namespace) collect(dst []*Socket, rooms, except []string) []*Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(rooms) == 0 {
		dst = slices.Grow(dst, len(n.sockets))
		for _, s := range n.sockets {
			dst = append(dst, s)
		}
	}
	for _, name := range rooms {
		if r := n.rooms[name]; r != nil {
			dst = append(dst, r.members...)
		}
		if s := n.sockets[name]; s != nil {
			dst = append(dst, s)
		}
	}
	if len(rooms) > 1 {
		dst = distinct(dst)
	}
	if len(except) > 0 {
		dst = slices.DeleteFunc(dst, func(s *Socket) bool { return s.inAny(except) })
	}
	return dst
}

// distinct removes repeated sockets, keeping the order.
func distinct(list []*Socket) []*Socket {
	seen := make(map[*Socket]struct{}, len(list))
	return slices.DeleteFunc(list, func(s *Socket) bool {
		_, again := seen[s]
		seen[s] = struct{}{}
		return again
	})
}

// membership returns the place in s.rooms of a room, or -1.
func (s *Socket) membership(name string) int {
	return slices.IndexFunc(s.rooms, func(m membership) bool { return m.room.name == name })
}

// inAny reports whether s is in one of the rooms, its own id being one.
func (s *Socket) inAny(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name == s.id || s.membership(name) >= 0
	})
}
