package main

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

type cluster struct{ *redistest.Cluster }

func startCluster(ctx context.Context, masters, replicas int) (rig, error) {
	c, err := redistest.LaunchCluster(ctx, masters, replicas)
	return cluster{c}, err
}

func (c cluster) url() string                  { return c.URL() }
func (c cluster) servers() []*redistest.Server { return c.Servers }
func (c cluster) close()                       { c.Close() }

func (c cluster) do(ctx context.Context, order, key string) error {
	switch order {
	case "heal":
		return c.heal(ctx)
	case "reset":
		return c.reset(ctx)
	}
	slot := redistest.Slot(key)
	m, err := c.MasterOf(slot)
	if err != nil {
		return err
	}
	switch order {
	case "failover":
		_, err := c.Failover(ctx, m)
		return err
	case "kill":
		m.Stop()
		return c.Await(ctx)
	case "freeze":
		if err := m.Pause(); err != nil {
			return err
		}
		return c.Await(ctx)
	case "move":
		return c.move(slot, m)
	}
	return errOrder
}

// move hands a slot to another master.
func (c cluster) move(slot int, from *redistest.Server) error {
	masters, err := c.Masters()
	if err != nil {
		return err
	}
	for _, to := range masters {
		if to != from {
			return c.MoveSlot(slot, to)
		}
	}
	return errOrder
}

func (c cluster) heal(ctx context.Context) error {
	if err := revive(c.Servers); err != nil {
		return err
	}
	return c.Await(ctx)
}

func (c cluster) reset(ctx context.Context) error {
	if err := c.heal(ctx); err != nil {
		return err
	}
	masters, err := c.Masters()
	for _, m := range masters {
		if _, err := m.Do("FLUSHALL"); err != nil {
			return err
		}
	}
	return err
}
