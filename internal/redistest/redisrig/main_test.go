//go:build unix

package main

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
)

func TestRig(t *testing.T) {
	orders, in := io.Pipe()
	out, answers := io.Pipe()
	ended := make(chan error)
	go func() { ended <- run([]string{"cluster", "3", "0"}, orders, answers) }()
	read := json.NewDecoder(out)
	var d description
	must(t, read.Decode(&d))
	if len(d.Servers) != 3 || !strings.Contains(d.URL, d.Servers[0].Addr) {
		t.Errorf("%+v", d)
	}
	for order, fails := range map[string]bool{
		"move {room:r}": false, "heal": false, "reset": false, "failover {room:r}": true, "nonsense": true, "": true,
	} {
		_, err := io.WriteString(in, order+"\n")
		must(t, err)
		var a answer
		must(t, read.Decode(&a))
		if (a.Error != "") != fails {
			t.Errorf("%q: answer %+v", order, a)
		}
	}
	must(t, in.Close())
	must(t, <-ended)
	for _, s := range d.Servers {
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			_ = c.Close()
			t.Error("still running")
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{"", "cluster", "cluster 1 x", "single 1 1"} {
		if err := run(strings.Fields(args), nil, nil); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
