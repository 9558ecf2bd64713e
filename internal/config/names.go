package config

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// linkName matches variables that Kubernetes sets for each Service, and
	// Docker for each link, whatever its name is.
	linkName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_.+)$`)
	// linkAddress matches what they set NAME_PORT to.
	linkAddress = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// isLink reports whether a variable is one of those for a Service or a link:
// nobody has set it as a setting.
func isLink(name, value string) bool {
	switch {
	case linkName.MatchString(name):
		return true
	case name == "PORT" || strings.HasSuffix(name, "_PORT"):
		return linkAddress.MatchString(value)
	case strings.HasSuffix(name, "_NAME"): // of Docker: /container/alias
		return strings.HasPrefix(value, "/")
	}
	return false
}

// nearest returns the name that another one seems to be meant for, if there is
// one: case and underscores do not count, and one letter may be off.
func nearest(name string, known []string) (string, bool) {
	flat := flatten(name)
	for _, k := range known {
		if f := flatten(k); f == flat || len(f) >= shortName && offByOne(f, flat) {
			return k, true
		}
	}
	return "", false
}

// shortName is how long a name must be for one letter not to make another word
// of it: POST and HOSTS are no settings that somebody has misspelt.
const shortName = 6

func flatten(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "_", ""))
}

// offByOne reports whether one letter too many, too few or another one, or two
// that changed places, make one text of the other.
func offByOne(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		swapped := i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		return i < len(a) && (a[i+1:] == b[i+1:] || swapped)
	case 1:
		return a[i:] == b[i+1:]
	}
	return false
}

// hints are warnings about variables that look like settings and are none. Those
// that are settings of any command are known.
func hints(env Env, settings, known []string) []string {
	var out []string
	for _, name := range env.sorted() {
		link := isLink(name, env[name])
		switch {
		case link && slices.Contains(settings, name):
			out = append(out, name+" is ignored: its value looks like what Kubernetes or Docker sets for a Service or link")
		case link || slices.Contains(known, name) || strings.HasPrefix(name, prefix):
		default:
			if meant, ok := nearest(name, settings); ok {
				out = append(out, name+" is no setting and has no effect; is "+meant+" meant?")
			}
		}
	}
	return out
}
