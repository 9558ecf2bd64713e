package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// pids are process ids, separated by commas or, as pidof prints them, by spaces.
type pids []int

// UnmarshalText implements encoding.TextUnmarshaler. It adds to those that were
// given before.
func (p *pids) UnmarshalText(text []byte) error {
	list := strings.FieldsFunc(string(text), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	if len(list) == 0 {
		return fmt.Errorf("must be process ids, but is empty: does the process run?")
	}
	for _, s := range list {
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("must be process ids, such as 123 or 123,456, not %q", text)
		}
		*p = append(*p, int(n))
	}
	return nil
}

// joinPIDs makes one argument of process ids that follow --server-pid or
// --redis-pid as several, as they do with --redis-pid $(pidof redis-server).
func joinPIDs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		out = append(out, args[i])
		name, _, joined := strings.Cut(args[i], "=")
		if name != "--server-pid" && name != "--redis-pid" {
			continue
		}
		if !joined && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
		for i+1 < len(args) && isNumber(args[i+1]) && isPIDs(out[len(out)-1]) {
			i++
			out[len(out)-1] += "," + args[i]
		}
	}
	return out
}

// isPIDs reports whether an argument is a list of process ids, or a flag with one.
func isPIDs(arg string) bool {
	_, value, joined := strings.Cut(arg, "=")
	if !joined {
		value = arg
	}
	return !slices.ContainsFunc(strings.Split(value, ","), func(s string) bool { return !isNumber(s) })
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
