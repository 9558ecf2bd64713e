package origin

import (
	"errors"
	"fmt"
	"strings"
)

// Hosts is a list of hosts under which a server is asked. The zero value has none.
type Hosts struct{ entries []hostEntry }

type hostEntry struct {
	host string
	port string // none: any
	wild bool
}

// ParseHosts reads a list. An entry is a host such as "chat.example.com", which is asked at any port,
// or with a port "chat.example.com:8443"; "*.example.com" is any subdomain, at any depth. The error
// says what is wrong with which entry, and begins with it.
func ParseHosts(entries []string) (Hosts, error) {
	var h Hosts
	for _, entry := range entries {
		e, err := parseHost(entry)
		if err != nil {
			return Hosts{}, fmt.Errorf("%q %w", entry, err)
		}
		h.entries = append(h.entries, e)
	}
	return h, nil
}

func parseHost(entry string) (e hostEntry, err error) {
	switch {
	case entry == "*":
		return e, errors.New("is no host: leave the list empty to allow any")
	case strings.ContainsAny(entry, `/?#\@`):
		return e, errors.New("is no host: write it like chat.example.com, without scheme and path")
	}
	name, port, ok := cutPort(entry)
	if !ok {
		return e, errors.New("has a bad host or port")
	}
	if strings.Contains(port, ":") {
		return e, errors.New("has a bad port: write an IPv6 address in brackets")
	}
	if e.port, err = normalPort(port, ""); err != nil {
		return e, err
	}
	e.host, e.wild, err = normalHost(name)
	return e, err
}

// Empty reports whether the list has no entry.
func (h Hosts) Empty() bool { return len(h.entries) == 0 }

// Match reports whether a Host header is listed.
func (h Hosts) Match(header string) bool {
	host, port, ok := splitHost(header)
	if !ok {
		return false
	}
	for _, e := range h.entries {
		if matchHost(e.host, e.wild, host) && (e.port == "" || e.port == port) {
			return true
		}
	}
	return false
}
