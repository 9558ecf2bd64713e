package bench

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	stat := "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 5 0 100 1000 20"
	if got, err := parseStat([]byte(stat)); err != nil || got != 1680*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 45 0", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 1 y 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	if got, err := parseStatus([]byte("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    2048 kB\n")); err != nil || got != 2<<20 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "Name:\tx\n", "VmRSS:\tmuch kB\n"} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMeterOfThisProcess(t *testing.T) {
	m := meter{pid: os.Getpid()}
	if err := m.read(); err != nil {
		t.Fatal(err)
	}
	if m.last.cpu < 0 || m.last.resident <= 0 {
		t.Errorf("read %+v", m.last)
	}
	if _, err := newMeters(Config{ServerPIDs: []int{1 << 30}}); err == nil {
		t.Error("a process that does not exist was measured")
	}
}
