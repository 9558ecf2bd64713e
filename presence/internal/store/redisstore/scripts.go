package redisstore

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/pipeline"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/record"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// scripts are the Lua scripts of a store that publish nothing. On a cluster each touches one
// key.
type scripts struct {
	nodeRoom, userAdd, userRemove    pipeline.Script
	connJoin, connLeave, connRefresh pipeline.Script
	beat, markDead, claim, rights    pipeline.Script
}

func loadScripts() scripts {
	return scripts{
		nodeRoom:    loadScript("expiry", "node_room"),
		userAdd:     loadScript("expiry", "user_add"),
		userRemove:  loadScript("expiry", "user_remove"),
		connJoin:    loadScript("expiry", "conn_join_usual", "conn_prelude", "conn_join"),
		connLeave:   loadScript("expiry", "conn_prelude", "conn_leave"),
		connRefresh: loadScript("conn_refresh"),
		beat:        loadScript("beat"),
		markDead:    loadScript("mark_dead"),
		claim:       loadScript("claim"),
		rights:      loadScript("rights"),
	}
}

// publishing is how a store publishes: with PUBLISH or SPUBLISH.
type publishing struct {
	command string
	// The scripts that publish. enter is not used on a cluster.
	put, enter, remove pipeline.Script
}

// newPublishing prepares it; events ends the names of channels.
func newPublishing(sharded bool, events string) *publishing {
	p := &publishing{command: "PUBLISH"}
	if sharded {
		p.command = "SPUBLISH"
	}
	head := "local PUBLISH, EVENTS = '" + p.command + "', '" + events + "'\n"
	p.put = loadScript("room", "put_usual", "done", "record", "put").After(head)
	p.enter = loadScript("room", "enter_room", "put_usual", "enter").After(head)
	p.remove = loadScript("room", "record", "remove").After(head)
	return p
}

// loadScript puts files of the folder lua together.
func loadScript(files ...string) pipeline.Script {
	var text strings.Builder
	for _, name := range files {
		part, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil { // it is not in the program: no script without it is understood
			part = []byte("error('" + name + "')")
		}
		text.Write(part)
	}
	return pipeline.NewScript(text.String())
}

// errLate says that a write came to Redis after its time.
var errLate = fmt.Errorf("expired on its way: %w", store.ErrUnavailable)

// write runs a script on the key of an id, with the time first after which it does nothing
// and returns 0.
func (s *Store) write(ctx context.Context, with *pipeline.Script, key func(id string) string, id string, expiresMs int64, args ...string) error {
	all := append([]string{record.Expiry(s.expires(expiresMs, key, id))}, args...)
	done, err := s.pipe.Text(ctx, with, pipeline.Run{Keys: []string{key(id)}, Args: all})
	if err == nil && done == "0" {
		err = errLate
	}
	return err
}
