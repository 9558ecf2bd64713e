package bench

import (
	"os"
	"runtime"

	"github.com/realtime-ai/realtime-message-go/internal/procstat"
)

// The processes that are measured.
const (
	roleServer = "server"
	roleRedis  = "redis"
	roleClient = "client" // this one
)

// meter reads what one process has used.
type meter struct {
	role string
	pid  int
	last procstat.Usage
}

// newMeters opens the processes of a load. The client is among them where its
// figures can be read.
func newMeters(cfg Config) ([]*meter, error) {
	var meters []*meter
	for _, pid := range cfg.ServerPIDs {
		meters = append(meters, &meter{role: roleServer, pid: pid})
	}
	for _, pid := range cfg.RedisPIDs {
		meters = append(meters, &meter{role: roleRedis, pid: pid})
	}
	if runtime.GOOS == "linux" {
		meters = append(meters, &meter{role: roleClient, pid: os.Getpid()})
	}
	for _, m := range meters {
		if err := m.read(); err != nil {
			return nil, err
		}
	}
	return meters, nil
}

func (m *meter) read() error {
	used, err := procstat.Read(m.pid)
	if err == nil {
		m.last = used
	}
	return err
}
