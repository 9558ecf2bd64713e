package main

import (
	"slices"
	"strings"
	"testing"
)

// $(pidof redis-server) is several arguments when several of them run.
func TestJoinPIDs(t *testing.T) {
	for in, want := range map[string]string{
		"bench --redis-pid 1 2 3 presence":              "bench --redis-pid 1,2,3 presence",
		"bench --redis-pid=1 2 --server-pid 3":          "bench --redis-pid=1,2 --server-pid 3",
		"bench presence --server-pid 4 --redis-pid 1 2": "bench presence --server-pid 4 --redis-pid 1,2",
		"bench --redis-pid 1,2 3":                       "bench --redis-pid 1,2,3",
		"bench --redis-pid":                             "bench --redis-pid",
		"bench --redis-pid --json 5":                    "bench --redis-pid --json 5",
		"bench --room-count 5 6":                        "bench --room-count 5 6",
		"serve --port 5":                                "serve --port 5",
	} {
		if got := strings.Join(joinPIDs(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestPIDs(t *testing.T) {
	var p pids
	for _, text := range []string{"1", "2,3", "4 5\n", " 6"} {
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if !slices.Equal(p, pids{1, 2, 3, 4, 5, 6}) {
		t.Errorf("got %v", p)
	}
	for _, text := range []string{"", " ", "x", "0", "-1", "1;2", "99999999999"} {
		if err := new(pids).UnmarshalText([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "must be") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
