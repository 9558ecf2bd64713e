//go:build unix

package redisstore

import (
	"strconv"
	"testing"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
	"github.com/realtime-ai/realtime-message-go/internal/redistest"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

func TestContractOnCluster(t *testing.T) {
	servers := redistest.StartCluster(t, 3, 0).Servers
	spyOn(t, servers...)
	const named = "?client_name=" + storeName
	for name, o := range map[string]Options{
		"sharded channels": {URL: servers[0].URL() + named},
		"plain channels":   {URL: servers[1].URL() + named, PlainPublish: true},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Backend { return open(t, o) })
		})
	}
}

// The slot of an open channel moves to another master.
func TestSlotMoves(t *testing.T) {
	c := redistest.StartCluster(t, 2, 0)
	servers := c.Servers
	s := open(t, Options{URL: servers[0].URL()})
	stays := listen(t, s, "stays")
	cmd := s.client.B().Ssubscribe().Channel(s.keys.Channel("moves")).Build()
	slot := int(cmd.Slot())
	heard := listen(t, s, "moves")
	from, to := servers[slot/(keyslot.Count/2)], servers[1-slot/(keyslot.Count/2)]
	for range 3 {
		must(t, c.MoveSlot(slot, to))
		heard.next(t, "loss moves")
		for i := range 5 {
			must(t, s.Publish(t.Context(), "moves", []byte(strconv.Itoa(i))))
			heard.next(t, "cast "+strconv.Itoa(i))
		}
		from, to = to, from
	}
	must(t, s.Publish(t.Context(), "stays", []byte("x")))
	stays.next(t, "cast x")
}
