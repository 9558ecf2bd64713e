// Package clip shortens text that somebody else wrote, for a log line or a sentence.
package clip

import "strings"

// Text returns the first bytes of s, most of them at most, and a mark if there are
// more. A character that would be cut is left out.
func Text(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
