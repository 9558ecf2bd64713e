package main

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

type sentinel struct{ *redistest.Sentinel }

func startSentinel(ctx context.Context, replicas, sentinels int) (rig, error) {
	s, err := redistest.LaunchSentinel(ctx, replicas, sentinels)
	return sentinel{s}, err
}

func (s sentinel) url() string                  { return s.URL() }
func (s sentinel) servers() []*redistest.Server { return s.Servers }
func (s sentinel) close()                       { s.Close() }

func (s sentinel) do(ctx context.Context, order, _ string) error {
	if order == "heal" || order == "reset" {
		if err := revive(s.Servers); err != nil {
			return err
		}
		if err := s.Await(ctx); err != nil { // it takes the Sentinels about 10 s
			return err
		}
	}
	m, err := s.Master()
	if err != nil {
		return err
	}
	switch order {
	case "heal":
		return nil
	case "reset":
		_, err := m.Do("FLUSHALL")
		return err
	case "failover":
		_, err := s.Failover(ctx)
		return err
	case "kill":
		m.Stop()
	case "freeze":
		if err := m.Pause(); err != nil {
			return err
		}
	default:
		return errOrder
	}
	_, err = s.Promoted(ctx, m)
	return err
}
