package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// MasterSet is the name under which the Sentinels watch their master.
const MasterSet = "themaster"

// Sentinel is a master with replicas, watched by Sentinels. Its methods that
// change something must not be called at the same time as methods of its
// servers that do.
type Sentinel struct {
	// Servers are the master and its replicas. Failovers change the roles, not
	// the list.
	Servers []*Server
	// Sentinels are those that watch. They can be hurt, too.
	Sentinels []*Server
}

// LaunchSentinel runs a master with replicas, and Sentinels of which more than
// half must agree to fail over: after a second without an answer of the master.
// It waits until all of it works. Close it.
func LaunchSentinel(ctx context.Context, replicas, sentinels int) (*Sentinel, error) {
	s := &Sentinel{}
	for range 1 + replicas {
		r, err := Launch("--repl-diskless-sync-delay", "0")
		if err == nil {
			s.Servers = append(s.Servers, r)
			err = r.follow(s.Servers[0])
		}
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	for range sentinels {
		w, err := launch(func(port, dir string) ([]string, error) {
			return watchArgs(port, dir, s.Servers[0].Addr, sentinels/2+1)
		})
		if err != nil {
			s.Close()
			return nil, err
		}
		s.Sentinels = append(s.Sentinels, w)
	}
	if err := s.Await(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// StartSentinelFor runs one Sentinel that watches a master at an address, with
// further lines of configuration, and closes it when the test ends.
func StartSentinelFor(tb testing.TB, master string, lines ...string) *Server {
	tb.Helper()
	s, err := launch(func(port, dir string) ([]string, error) { return watchArgs(port, dir, master, 1, lines...) })
	check(tb, err)
	tb.Cleanup(s.Close)
	return s
}

func (s *Server) follow(master *Server) error {
	if s == master {
		return nil
	}
	host, port, _ := strings.Cut(master.Addr, ":")
	_, err := s.Do("REPLICAOF", host, port)
	return err
}

// watchArgs writes the file that a Sentinel needs, and keeps.
func watchArgs(port, dir, master string, quorum int, lines ...string) ([]string, error) {
	file := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
sentinel monitor %s %s %d
sentinel down-after-milliseconds %[3]s 1000
sentinel failover-timeout %[3]s 3000
`, port, dir, MasterSet, strings.Replace(master, ":", " ", 1), quorum) + strings.Join(lines, "\n") + "\n"
	return []string{file, "--sentinel"}, os.WriteFile(file, []byte(text), 0o600)
}

// URL names all Sentinels and what they watch, for REDIS_URL.
func (s *Sentinel) URL() string {
	sep := "?"
	if len(s.Sentinels) > 1 {
		sep = "&"
	}
	return urlOf(s.Sentinels, sep+"master_set="+MasterSet)
}

// Close stops everything for good and removes what it wrote. It may be called
// more than once.
func (s *Sentinel) Close() {
	closeAll(s.Sentinels)
	closeAll(s.Servers)
}

// Master is the master that the running Sentinels agree on.
func (s *Sentinel) Master() (*Server, error) {
	addr := ""
	for _, w := range s.Sentinels {
		if !w.answers() {
			continue
		}
		at, err := w.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterSet)
		if err != nil {
			return nil, err
		}
		this := strings.Join(at, ":")
		if addr != "" && addr != this {
			return nil, fmt.Errorf("sentinels do not agree: %s and %s", addr, this)
		}
		addr = this
	}
	i := slices.IndexFunc(s.Servers, func(r *Server) bool { return r.Addr == addr })
	if i < 0 {
		return nil, fmt.Errorf("master: %w", errNobody)
	}
	return s.Servers[i], nil
}

// Failover has the Sentinels put a replica in the place of the master, and
// returns the new one. Writes of the last moment may be lost, as they are with
// any failover of Sentinel. The other servers may not follow it yet: Await.
func (s *Sentinel) Failover(ctx context.Context) (*Server, error) {
	old, err := s.Master()
	if err != nil {
		return nil, err
	}
	if err := poll(ctx, func() error { // one that has just been is in the way
		i := slices.IndexFunc(s.Sentinels, (*Server).answers)
		if i < 0 {
			return errNobody
		}
		_, err := s.Sentinels[i].Do("SENTINEL", "FAILOVER", MasterSet)
		return err
	}); err != nil {
		return nil, err
	}
	return s.Promoted(ctx, old)
}

// Replaced is Promoted, and waits until everybody follows the new master.
func (s *Sentinel) Replaced(ctx context.Context, old *Server) (*Server, error) {
	master, err := s.Promoted(ctx, old)
	if err != nil {
		return nil, err
	}
	return master, s.Await(ctx)
}

// Promoted waits until the Sentinels have put another server in the place of a
// master, and returns it. The other servers may not follow it yet.
func (s *Sentinel) Promoted(ctx context.Context, old *Server) (master *Server, err error) {
	err = poll(ctx, func() error {
		var err error
		if master, err = s.Master(); err == nil && master == old {
			err = fmt.Errorf("%s is the master still", old.Addr)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wait for a failover: %w", err)
	}
	return master, nil
}

// Await waits until everything that is not stopped or paused works: Sentinels
// that know each other and the replicas, a master, and replicas in step with it.
func (s *Sentinel) Await(ctx context.Context) error {
	err := poll(ctx, func() error {
		master, err := s.Master()
		if err != nil {
			return err
		}
		for _, r := range s.Servers {
			if err := s.check(r, master); err != nil {
				return err
			}
		}
		return s.acquainted()
	})
	if err != nil {
		return fmt.Errorf("wait for the sentinels: %w", err)
	}
	return nil
}

// check says what is wrong with a server that answers.
func (s *Sentinel) check(r, master *Server) error {
	if !r.answers() {
		return nil
	}
	info, err := r.text("INFO", "replication")
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(master.Addr, ":")
	want := "master_port:" + port + "\r\n"
	if r == master {
		want = "role:master\r\n"
	}
	if !strings.Contains(info, want) {
		return fmt.Errorf("%s does not say %q", r.Addr, strings.TrimSpace(want))
	}
	return r.linked()
}

var errStrange = errors.New("the sentinels do not know each other yet")

// acquainted says whether each Sentinel knows the others, and the replicas.
func (s *Sentinel) acquainted() error {
	want := fmt.Sprintf("slaves=%d,sentinels=%d\r\n", len(s.Servers)-1, len(s.Sentinels))
	for _, w := range s.Sentinels {
		if !w.answers() {
			continue
		}
		info, err := w.text("INFO", "sentinel")
		if err != nil {
			return err
		}
		if !strings.Contains(info, want) {
			return errStrange
		}
	}
	return nil
}
