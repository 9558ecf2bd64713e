// Package origin judges which web pages may connect: it reads lists of origins and of hosts, and
// compares them with what browsers send.
package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// List is a list of origins. The zero value has none.
type List struct {
	any      bool
	patterns []pattern
}

// pattern is one entry, in the form that browsers send.
type pattern struct {
	scheme string
	host   string // a suffix that begins with a dot, if wild
	port   string // none: the default of the scheme
	wild   bool   // any subdomain, at any depth
	ports  bool   // any port
}

// Parse reads a list. An entry is an origin such as "https://example.com", whatever its case, with or
// without the default port and a slash at the end; "https://*.example.com" is any subdomain, at any
// depth; "http://localhost:*" is any port; "*" is any origin. The error says what is wrong with which
// entry, and begins with it.
func Parse(entries []string) (List, error) {
	var l List
	for _, entry := range entries {
		if entry == "*" {
			l.any = true
			continue
		}
		p, err := parsePattern(entry)
		if err != nil {
			return List{}, fmt.Errorf("%q %w", entry, err)
		}
		l.patterns = append(l.patterns, p)
	}
	return l, nil
}

// Empty reports whether the list has no entry.
func (l List) Empty() bool { return !l.any && len(l.patterns) == 0 }

// Any reports whether "*" is in the list.
func (l List) Any() bool { return l.any }

// Match reports whether an Origin header is listed, other than by "*".
func (l List) Match(header string) bool {
	scheme, host, port, ok := split(header)
	if !ok {
		return false
	}
	for _, p := range l.patterns {
		if p.scheme == scheme && (p.ports || p.port == port) && matchHost(p.host, p.wild, host) {
			return true
		}
	}
	return false
}

func matchHost(want string, wild bool, host string) bool {
	if wild {
		return len(host) > len(want) && strings.HasSuffix(host, want)
	}
	return host == want
}

// Same reports whether an Origin header is the origin that a request to host came to. Behind a proxy
// that ends TLS the scheme of the request is not known: secure says that it was https.
func Same(header, host string, secure bool) bool {
	scheme, name, port, ok := split(header)
	if !ok || defaultPort(scheme) == "" || secure && scheme != "https" {
		return false
	}
	asked, askedPort, ok := splitHost(host)
	if askedPort == defaultPort(scheme) {
		askedPort = ""
	}
	return ok && name == asked && port == askedPort
}

func parsePattern(entry string) (p pattern, err error) {
	scheme, rest, ok := strings.Cut(entry, "://")
	if entry == "null" {
		return p, errors.New("is the origin of every page opened from a file: serve the page over HTTP, or allow any origin with *")
	}
	if !ok {
		return p, errors.New("has no scheme: an origin is like https://example.com")
	}
	p.scheme = strings.ToLower(scheme)
	if err := checkScheme(p.scheme); err != nil {
		return p, err
	}
	rest = strings.TrimSuffix(rest, "/")
	if i := strings.IndexAny(rest, `/?#\`); i >= 0 {
		return p, errors.New("has a path: an origin ends with its host or port")
	}
	if strings.Contains(rest, "@") {
		return p, errors.New("has a user: an origin is a scheme, a host and perhaps a port")
	}
	name, port, ok := cutPort(rest)
	if !ok {
		return p, errors.New("has a bad host or port")
	}
	if port == "*" {
		p.ports = true
	} else if p.port, err = normalPort(port, defaultPort(p.scheme)); err != nil {
		return p, err
	}
	p.host, p.wild, err = normalHost(name)
	return p, err
}

func checkScheme(scheme string) error {
	if scheme == "" || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return errors.New("has a bad scheme: an origin is like https://example.com")
	}
	switch scheme {
	case "ws", "wss":
		return errors.New("is no origin of a page: write http or https")
	case "file", "data", "blob", "about", "javascript":
		return errors.New(`is never sent: browsers hide this origin as "null", which only * allows`)
	}
	return nil
}

// normalHost returns a host of a list as browsers send it; wild: all that end with it.
func normalHost(name string) (host string, wild bool, err error) {
	host = strings.ToLower(name)
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", false, errors.New("has a bad IPv6 address")
		}
		return ipv6(ip), false, nil
	}
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		wild, host = true, suffix
	}
	if strings.Contains(host, "*") {
		return "", false, errors.New("has a * where none can be: https://*.example.com is any subdomain, http://localhost:* any port")
	}
	for i := range len(host) {
		if host[i] >= 0x80 {
			return "", false, errors.New("has a letter that browsers do not send: write the host in Punycode (xn--…)")
		}
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false, errors.New("has a bad host")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is4() || wild {
			return "", false, errors.New("has a bad IPv4 address")
		}
	}
	if wild {
		host = "." + host
	}
	return host, wild, nil
}

func normalPort(port, usual string) (string, error) {
	if port == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("has a bad port")
	}
	if port = strconv.FormatUint(n, 10); port == usual {
		return "", nil
	}
	return port, nil
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// ipv6 is an address as browsers write it.
func ipv6(ip netip.Addr) string {
	if ip.Is4In6() {
		b := ip.As16()
		return fmt.Sprintf("[::ffff:%x:%x]", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15]))
	}
	return "[" + ip.String() + "]"
}

// split takes an Origin header apart. The port is empty if it is the default.
func split(header string) (scheme, host, port string, ok bool) {
	scheme, rest, ok := strings.Cut(header, "://")
	if !ok {
		return "", "", "", false
	}
	scheme = strings.ToLower(scheme)
	host, port, ok = splitHost(rest)
	if port == defaultPort(scheme) {
		port = ""
	}
	return scheme, host, port, ok
}

// splitHost takes a Host header apart; the host is in lower case, and an IPv6 address normal.
func splitHost(header string) (host, port string, ok bool) {
	name, port, ok := cutPort(header)
	if !ok || name == "" || strings.ContainsAny(name, "/?#@\\ ") || strings.Trim(port, "0123456789") != "" {
		return "", "", false
	}
	if strings.HasPrefix(name, "[") {
		ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
		if err != nil || !ip.Is6() {
			return "", "", false
		}
		return ipv6(ip), port, true
	}
	return strings.ToLower(name), port, true
}

// cutPort splits what may have a port, and keeps the brackets of an IPv6 address.
func cutPort(s string) (name, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		name, port = s[:end+1], s[end+1:]
		if port == "" {
			return name, "", true
		}
		return name, port[1:], port[0] == ':'
	}
	name, port, _ = strings.Cut(s, ":")
	return name, port, true
}
