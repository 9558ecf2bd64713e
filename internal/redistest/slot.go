package redistest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/realtime-ai/realtime-message-go/internal/keyslot"
)

const slots = keyslot.Count

// Slot is the slot of a key or sharded channel.
func Slot(key string) int { return int(keyslot.Of(key)) }

// MoveSlot hands a slot with all its keys to another master, while clients use
// it: the steps are OpenSlot, MoveKeys until there are none, CloseSlot.
func (c *Cluster) MoveSlot(slot int, to *Server) error {
	from, err := c.MasterOf(slot)
	if err != nil {
		return err
	}
	if err := c.OpenSlot(slot, from, to); err != nil {
		return err
	}
	for {
		n, err := c.MoveKeys(slot, from, to, 100)
		if err != nil {
			return err
		}
		if n == 0 {
			return c.CloseSlot(slot, from, to)
		}
	}
}

// OpenSlot begins to move a slot: from now on its new keys are made at to.
func (c *Cluster) OpenSlot(slot int, from, to *Server) error {
	for _, step := range []struct {
		at, other *Server
		state     string
	}{{to, from, "IMPORTING"}, {from, to, "MIGRATING"}} {
		id, err := step.other.text("CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := step.at.Do("CLUSTER", "SETSLOT", strconv.Itoa(slot), step.state, id); err != nil {
			return err
		}
	}
	return nil
}

// MoveKeys moves some keys of a slot, at most limit, and returns how many.
func (c *Cluster) MoveKeys(slot int, from, to *Server, limit int) (int, error) {
	keys, err := from.Do("CLUSTER", "GETKEYSINSLOT", strconv.Itoa(slot), strconv.Itoa(limit))
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	host, port, _ := strings.Cut(to.Addr, ":")
	_, err = from.Do(append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
	return len(keys), err
}

// CloseSlot ends the move of a slot that has no keys left at from.
func (c *Cluster) CloseSlot(slot int, from, to *Server) error {
	id, err := to.text("CLUSTER", "MYID")
	if err != nil {
		return err
	}
	for _, s := range []*Server{to, from} { // the new one first, so that one has it at every moment
		if _, err := s.Do("CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", id); err != nil {
			return fmt.Errorf("end the move of slot %d: %w", slot, err)
		}
	}
	return nil
}
