package access

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// Connections are cut at once, and ever more rarely while that helps nobody.
func TestCutsAreRare(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		g := newGuard(&dials{}, "", slog.New(slog.DiscardHandler))
		count := func(d time.Duration) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if g.due("a", time.Now()) {
					n++
				}
			}
			return n
		}
		if n := count(10 * time.Millisecond); n != 1 {
			t.Errorf("%d cuts at once, want 1", n)
		}
		if n := count(time.Minute); n < 5 || n > 12 {
			t.Errorf("%d cuts in a minute", n)
		}
		if !g.due("b", time.Now()) {
			t.Error("one address held up another")
		}
		time.Sleep(calmTime)
		if n := count(2 * time.Second); n != 2 {
			t.Errorf("%d cuts in the first 2 s after a calm, want 2", n)
		}
	})
}

func TestTroubles(t *testing.T) {
	for answer, begins := range map[string]string{
		"READONLY You can't write against a read only replica. script: f0, on @user_script:1.":                                "READONLY",
		"ERR Error running script (call to f_ab): @user_script:3: @user_script: 3: -OOM command not allowed when used memory": "OOM",
		"ERR Error running script (call to f_ab): @user_script:1: @user_script: 1: -MASTERDOWN Link with MASTER is down":      "MASTERDOWN",
		"ERR max number of clients reached": "max number of clients reached",
		"ERR The user executing the script can't run this command or subcommand script: f0, on @user_script:1.": "The user executing the script",
		"ERR unknown command 'EVALSHA', with args beginning with: ":                                             "unknown command",
		"NOAUTH HELLO must be called with the client already authenticated":                                     "NOAUTH",
		"LOADING": "LOADING",
		// About the command, not about the server:
		"ERR wrong number of arguments for 'get' command":                   "",
		"WRONGTYPE Operation against a key holding the wrong kind of value": "",
		"READONLYISH thing": "",
		"ERR Error running script (call to f_ab): @user_script:3: PRSVERSION member of a":     "",
		"ERR user_script:3: Script attempted to access nonexistent global variable 'LOADING'": "",
	} {
		got := ""
		if tr := troubleOf(answer); tr != nil {
			got = tr.Begins
		}
		if got != begins {
			t.Errorf("%s: got %q, want %q", answer, got, begins)
		}
	}
	if TroubleIn(errors.New("READONLY")) != nil {
		t.Error("an error that Redis did not answer is trouble")
	}
}
