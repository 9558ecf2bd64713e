package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// What a user of Redis needs beside the keys and channels that begin with the
// prefix. K and C stand for a key and a channel.
var (
	usedCommands = []string{
		"PING", "INFO", "TIME", "EVAL x 1 K", "EVALSHA x 1 K",
		"DEL K", "EXISTS K", "GET K", "SET K x", "PEXPIRE K 1",
		"HDEL K x", "HGET K x", "HGETALL K", "HINCRBY K x 1", "HKEYS K", "HLEN K", "HMGET K x", "HSCAN K 0", "HSET K x x",
		"SADD K x", "SREM K x", "SSCAN K 0", "UNLINK K",
		"ZADD K 1 x", "ZRANGEBYSCORE K 0 1", "ZREM K x", "ZREMRANGEBYSCORE K 0 1", "ZSCORE K x",
		"PUBLISH C x", "SUBSCRIBE C", "UNSUBSCRIBE C",
	}
	clusterCommands  = []string{"CLUSTER SLOTS", "CLUSTER SHARDS"}
	shardedCommands  = []string{"SPUBLISH C x", "SSUBSCRIBE C", "SUNSUBSCRIBE C"}
	sentinelCommands = []string{"ROLE"}
	databaseCommands = []string{"SELECT 1"}
	resp2Commands    = []string{"CLIENT SETNAME x"}
)

// Commands are those that the store uses, for its kind of Redis.
func (l *Location) Commands(mode rueidis.ClientMode, sharded bool) []string {
	list := slices.Clone(usedCommands)
	if mode == rueidis.ClientModeCluster {
		list = append(list, clusterCommands...)
	}
	if sharded {
		list = append(list, shardedCommands...)
	}
	if l.MasterSet != "" {
		list = append(list, sentinelCommands...)
	}
	if l.db != 0 {
		list = append(list, databaseCommands...)
	}
	if l.resp2 && l.clientName != "" {
		list = append(list, resp2Commands...)
	}
	return list
}

// Rules are the rules of ACL SETUSER that give a user what these commands need.
func Rules(prefix string, commands []string) string {
	out := []string{quoteRule("~" + prefix + "*"), quoteRule("&" + prefix + "*")}
	for _, c := range commands {
		words := strings.Fields(strings.ToLower(c))
		if words[0] == "cluster" || words[0] == "client" {
			words[0] += "|" + words[1]
		}
		out = append(out, "+"+words[0])
	}
	return strings.Join(out, " ")
}

func quoteRule(rule string) string {
	if strings.ContainsAny(rule, " '\"") {
		return fmt.Sprintf("%q", rule)
	}
	return rule
}

// Lacking adds what the user of Redis needs to an error that says that it lacks
// a right.
func Lacking(err error, prefix string, commands []string) error {
	if t := TroubleIn(err); t == nil || t.Begins != "NOPERM" {
		return err
	}
	return fmt.Errorf("%w; the user needs the rules: %s", err, Rules(prefix, commands))
}
