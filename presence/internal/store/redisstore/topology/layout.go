// Package topology finds out which server is the master of which slot, which process it is, and by how
// much its clock is ahead.
package topology

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/redis/rueidis"
)

// Layout says which master holds what. It is not changed once it is made.
type Layout struct {
	Masters []Master
	Up      []string // servers of a cluster that answered
	slots   []int16  // of a cluster: the index of the slot's master; -1: none. Else nil, and there is one master
	// Shifts are by how many ms the masters' clocks are ahead of the one that counts; nil:
	// all are in step, or there is one master.
	Shifts []int64
}

// Master is a server process; Run names it from its start to its end, and is
// empty while it is not known.
type Master struct {
	Addr, Run string
	Major     int // of its version; 0: not known
	Ahead     offset
}

// Sharded reports whether all masters of a cluster know sharded channels, as Redis 7 and
// newer do. What is not known of one that does not answer counts for nothing.
func (l *Layout) Sharded() bool {
	some := false
	for _, m := range l.Masters {
		if 0 < m.Major && m.Major < 7 {
			return false
		}
		some = some || m.Major > 0
	}
	return some && l.slots != nil
}

// Of is the master of a slot, the zero master if there is none.
func (l *Layout) Of(slot uint16) Master {
	switch {
	case l == nil || len(l.Masters) == 0:
		return Master{}
	case l.slots == nil:
		return l.Masters[0]
	case int(slot) >= len(l.slots) || l.slots[slot] < 0:
		return Master{}
	}
	return l.Masters[l.slots[slot]]
}

// Moved tells whether a slot is in the hands of another process than before.
func (l *Layout) Moved(before *Layout, slot uint16) bool {
	a, b := before.Of(slot), l.Of(slot)
	return a.Addr != b.Addr || a.Run != b.Run && a.Run != "" && b.Run != ""
}

// MovedAny tells whether any slot is.
func (l *Layout) MovedAny(before *Layout) bool {
	if l.slots == nil {
		return l.Moved(before, 0)
	}
	for slot := range l.slots {
		if l.Moved(before, uint16(slot)) {
			return true
		}
	}
	return false
}

// inherit fills in what was not learnt this time and was known before: masters
// Of slots, and what is known of masters that did not answer.
func (l *Layout) inherit(before *Layout) {
	if before == nil {
		return
	}
	for i := range l.slots {
		if m := before.Of(uint16(i)); l.slots[i] < 0 && m.Addr != "" {
			l.slots[i] = l.index(m.Addr)
		}
	}
	for i := range l.Masters {
		m := &l.Masters[i]
		if j := slices.IndexFunc(before.Masters, func(o Master) bool { return o.Addr == m.Addr }); j >= 0 && m.Run == "" {
			*m = before.Masters[j]
		}
	}
}

// index finds or adds a master.
func (l *Layout) index(addr string) int16 {
	i := slices.IndexFunc(l.Masters, func(m Master) bool { return m.Addr == addr })
	if i < 0 {
		i = len(l.Masters)
		l.Masters = append(l.Masters, Master{Addr: addr})
	}
	return int16(i)
}

// same tells whether two layouts give each slot to the same address.
func (l *Layout) same(o *Layout) bool {
	for slot := range uint16(keyslot.Count) {
		if l.Of(slot).Addr != o.Of(slot).Addr {
			return false
		}
	}
	return true
}

var errSlots = errors.New("the answer to CLUSTER SLOTS is not understood")

// ParseSlots reads the answer that the server at an address gave.
func ParseSlots(ranges []rueidis.RedisMessage, asked string) (*Layout, error) {
	host, _, err := net.SplitHostPort(asked)
	if err != nil {
		return nil, err
	}
	l, unknown := &Layout{slots: slices.Repeat([]int16{-1}, keyslot.Count)}, false
	for _, r := range ranges {
		parts, err := r.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errSlots
		}
		from, err1 := parts[0].AsInt64()
		to, err2 := parts[1].AsInt64()
		addr, err3 := endpoint(&parts[2], host)
		if errors.Join(err1, err2, err3) != nil || from < 0 || to >= keyslot.Count {
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
		return l, ErrNoHost
	}
	return l, nil
}

// ErrNoHost says that a master could be anywhere. The client library does not
// know it either.
var ErrNoHost = errors.New("a server of the cluster does not say where it is (its host is ?): " +
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

// InfoField reads a field of an answer to INFO; empty when it is not there.
func InfoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// MajorVersion reads the answer to INFO.
func MajorVersion(info string) (int, error) {
	version := InfoField(info, "redis_version")
	digits, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("its version %q is not understood", version)
	}
	return n, nil
}
