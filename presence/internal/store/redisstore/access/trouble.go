package access

import (
	"errors"
	"regexp"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store/redisstore/respconn"
	"github.com/redis/rueidis"
)

// Trouble is what an answer says of the server or the connection, as opposed
// to one that is about its command alone. The store is unavailable while it
// lasts.
type Trouble struct {
	Begins string // the answer does, with this word or these words
	// redial says that another server may be behind the address by now, or
	// that a new connection may be better: the open ones are cut.
	redial bool
	Says   string // for the log: what it means, and what to do about it
}

var troubles = []Trouble{
	{"READONLY", true, "Redis is a read-only replica: dialling again until a master answers; " +
		"if that does not end, let REDIS_URL name the master, or Sentinels with ?master_set="},
	{"UNBLOCKED", true, "Redis has just become a replica: dialling again until a master answers"},
	{"MASTERDOWN", true, "Redis is a replica without its master: dialling again until a master answers; " +
		"if that does not end, fail over, or let REDIS_URL name the master"},
	{"LOADING", true, "Redis is loading its data: dialling again until it is done, or another server answers"},
	{"NOAUTH", true, "Redis wants a password that it was not given: check the user and the password in REDIS_URL"},
	{"WRONGPASS", false, "Redis refuses the user or the password: check them in REDIS_URL, and ACL LIST on the server"},
	{"NOPERM", false, "the Redis user lacks a right: " + rightsAdvice},
	{"The user executing the script", false, "the Redis user lacks a right: " + rightsAdvice}, // of Redis 7.0
	{"DENIED", false, "Redis is in protected mode: give it a password, or bind it to an address of its own"},
	{"max number of clients reached", false, "Redis has no room for another connection: raise its maxclients"},
	{"unknown command", false, "Redis does not know a command that is needed: " +
		"it is older than Redis 6, a proxy is in the way, or the command was renamed"},
	{"Unknown Redis command", false, "Redis does not know a command that is needed: it was renamed"},
	{"DB index is out of range", false, "Redis has no database of that number: check the one in REDIS_URL, and databases on the server"},
	{"CLUSTERDOWN", false, "the Redis Cluster is down: look for slots without a master with CLUSTER INFO"},
	{"OOM", false, "Redis is out of memory: raise its maxmemory"},
	{"MISCONF", false, "Redis cannot save its data and takes no writes: look for a full disk in its log"},
	{"NOREPLICAS", false, "Redis has too few good replicas to take writes: see its min-replicas-to-write"},
	{"BUSY", false, "Redis is held up by a script: see SLOWLOG; SCRIPT KILL ends it"},
	{"UNKILLABLE", false, "Redis is held up by a script: see SLOWLOG"},
	{"NOMASTERLINK", false, "Redis is a replica without its master"},
	{"TRYAGAIN", false, ""}, // while slots move, for moments
	{"MOVED", false, "the Redis Cluster redirects without end: its servers do not agree on who holds a slot"},
	{"ASK", false, "the Redis Cluster redirects without end: its servers do not agree on who holds a slot"},
	{"REDIRECT", true, "Redis redirects to another server: dialling again"},
}

// ErrReplica stands for the answer of a server that is a replica.
var ErrReplica = errors.New("READONLY it says that it is a replica (role:slave)")

var replicaTrouble = &troubles[0]

// strayTrouble is that of new connections to the only address there is, which
// lead to another server than those that are open.
var strayTrouble = &Trouble{"", true, "new connections to Redis lead to another server than those that are open: dialling all of them again"}

// rightsAdvice tells what the user of Redis needs.
const rightsAdvice = "see what it needs under \"Redis\" in docs/operations.md"

// inScript finds the answer to a command in that of Redis 6 to its script.
var inScript = regexp.MustCompile(`^Error running script .*?: -?((?:[A-Z]+|The user executing the script) .*)$`)

// troubleOf returns the trouble that an answer tells of; nil if it tells of none.
func troubleOf(answer string) *Trouble {
	answer = strings.TrimPrefix(answer, "ERR ")
	if found := inScript.FindStringSubmatch(answer); found != nil {
		answer = strings.TrimPrefix(found[1], "ERR ")
	}
	for i := range troubles {
		if rest, ok := strings.CutPrefix(answer, troubles[i].Begins); ok && (rest == "" || rest[0] < 'A') {
			return &troubles[i]
		}
	}
	return nil
}

// TroubleIn returns the trouble that an error tells of, which is or wraps an answer of Redis; nil if it
// tells of none.
func TroubleIn(err error) *Trouble {
	if answer, ok := Refusal(err); ok {
		return troubleOf(answer)
	}
	return nil
}

// Refusal is the answer of Redis that an error is or wraps, if there is one.
func Refusal(err error) (answer string, ok bool) {
	if e, ok := errors.AsType[respconn.Error](err); ok {
		return string(e), true
	}
	if e, ok := errors.AsType[*rueidis.RedisError](err); ok && !e.IsNil() {
		return e.Error(), true
	}
	return "", false
}
