package redisstore

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/redis/rueidis"
)

const slotCount = keyslot.Count

func slotOf(key string) uint16 { return keyslot.Of(key) }

// layout says which master holds what. It is not changed once it is made.
type layout struct {
	masters []master
	up      []string // servers of a cluster that answered
	slots   []int16  // of a cluster: the index of the slot's master; -1: none. Else nil, and there is one master
	// shifts are by how many ms the masters' clocks are ahead of the one that counts; nil:
	// all are in step, or there is one master.
	shifts []int64
}

// master is a server process; run names it from its start to its end, and is
// empty while it is not known.
type master struct {
	addr, run string
	major     int // of its version; 0: not known
	ahead     offset
}

// sharded reports whether all masters of a cluster know sharded channels, as Redis 7 and
// newer do. What is not known of one that does not answer counts for nothing.
func (l *layout) sharded() bool {
	some := false
	for _, m := range l.masters {
		if 0 < m.major && m.major < 7 {
			return false
		}
		some = some || m.major > 0
	}
	return some && l.slots != nil
}

// of is the master of a slot, the zero master if there is none.
func (l *layout) of(slot uint16) master {
	switch {
	case l == nil || len(l.masters) == 0:
		return master{}
	case l.slots == nil:
		return l.masters[0]
	case int(slot) >= len(l.slots) || l.slots[slot] < 0:
		return master{}
	}
	return l.masters[l.slots[slot]]
}

// moved tells whether a slot is in the hands of another process than before.
func (l *layout) moved(before *layout, slot uint16) bool {
	a, b := before.of(slot), l.of(slot)
	return a.addr != b.addr || a.run != b.run && a.run != "" && b.run != ""
}

// movedAny tells whether any slot is.
func (l *layout) movedAny(before *layout) bool {
	if l.slots == nil {
		return l.moved(before, 0)
	}
	for slot := range l.slots {
		if l.moved(before, uint16(slot)) {
			return true
		}
	}
	return false
}

// inherit fills in what was not learnt this time and was known before: masters
// of slots, and what is known of masters that did not answer.
func (l *layout) inherit(before *layout) {
	if before == nil {
		return
	}
	for i := range l.slots {
		if m := before.of(uint16(i)); l.slots[i] < 0 && m.addr != "" {
			l.slots[i] = l.index(m.addr)
		}
	}
	for i := range l.masters {
		m := &l.masters[i]
		if j := slices.IndexFunc(before.masters, func(o master) bool { return o.addr == m.addr }); j >= 0 && m.run == "" {
			*m = before.masters[j]
		}
	}
}

// index finds or adds a master.
func (l *layout) index(addr string) int16 {
	i := slices.IndexFunc(l.masters, func(m master) bool { return m.addr == addr })
	if i < 0 {
		i = len(l.masters)
		l.masters = append(l.masters, master{addr: addr})
	}
	return int16(i)
}

// same tells whether two layouts give each slot to the same address.
func (l *layout) same(o *layout) bool {
	for slot := range uint16(slotCount) {
		if l.of(slot).addr != o.of(slot).addr {
			return false
		}
	}
	return true
}

var errSlots = errors.New("the answer to CLUSTER SLOTS is not understood")

// parseSlots reads the answer that the server at an address gave.
func parseSlots(ranges []rueidis.RedisMessage, asked string) (*layout, error) {
	host, _, err := net.SplitHostPort(asked)
	if err != nil {
		return nil, err
	}
	l, unknown := &layout{slots: slices.Repeat([]int16{-1}, slotCount)}, false
	for _, r := range ranges {
		parts, err := r.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errSlots
		}
		from, err1 := parts[0].AsInt64()
		to, err2 := parts[1].AsInt64()
		addr, err3 := endpoint(&parts[2], host)
		if errors.Join(err1, err2, err3) != nil || from < 0 || to >= slotCount {
			return nil, errSlots
		}
		if addr == "" {
			unknown = true
			continue
		}
		i := l.index(addr)
		for s := from; s <= to; s++ {
			l.slots[s] = i
		}
	}
	if unknown {
		return l, errNoHost
	}
	return l, nil
}

// errNoHost says that a master could be anywhere. The client library does not
// know it either.
var errNoHost = errors.New("a server of the cluster does not say where it is (its host is ?): " +
	"set its cluster-announce-hostname, or cluster-preferred-endpoint-type to ip")

// endpoint reads host and port of a node. An empty host means the host that was asked. The
// result is empty when the cluster does not know the host.
func endpoint(msg *rueidis.RedisMessage, asked string) (string, error) {
	node, err := msg.ToArray()
	if err != nil || len(node) < 2 {
		return "", errSlots
	}
	host, _ := node[0].ToString()
	switch host {
	case "":
		host = asked
	case "?":
		return "", nil
	}
	port, err := node[1].AsInt64()
	return net.JoinHostPort(host, strconv.FormatInt(port, 10)), err
}

// infoField reads a field of an answer to INFO; empty when it is not there.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
