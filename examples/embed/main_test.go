package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/realtime-ai/realtime-message-go/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStops(t *testing.T) { exampletest.Stops(t, run) }
