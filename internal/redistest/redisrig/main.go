// Command redisrig runs several Redis servers for the end-to-end tests, and
// hurts them on request:
//
//	redisrig cluster MASTERS REPLICAS      a Redis Cluster, replicas for each master
//	redisrig sentinel REPLICAS SENTINELS   a master with replicas, watched
//
// It prints one line of JSON with the servers, then answers each line of its
// input with one of JSON, and ends with its input. See rig.do for the orders.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/redistest"
)

// orderTime bounds each order, and the start.
const orderTime = time.Minute

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "redisrig:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: redisrig cluster MASTERS REPLICAS | sentinel REPLICAS SENTINELS")

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 3 {
		return errUsage
	}
	first, err1 := strconv.Atoi(args[1])
	second, err2 := strconv.Atoi(args[2])
	if err1 != nil || err2 != nil {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), orderTime)
	defer cancel()
	var r rig
	var err error
	switch args[0] {
	case "cluster":
		r, err = startCluster(ctx, first, second)
	case "sentinel":
		r, err = startSentinel(ctx, first, second)
	default:
		err = errUsage
	}
	if err != nil {
		return err
	}
	defer r.close()
	answers := json.NewEncoder(out)
	if err := answers.Encode(describe(r)); err != nil {
		return err
	}
	for orders := bufio.NewScanner(in); orders.Scan(); {
		if err := answers.Encode(answerTo(r, strings.Fields(orders.Text()))); err != nil {
			return err
		}
	}
	return nil
}

// rig is what runs.
type rig interface {
	url() string
	servers() []*redistest.Server
	// do carries out an order:
	//
	//	failover KEY   a replica takes over from the master of the key, on request
	//	kill KEY       the master of the key is killed; waits for another one
	//	freeze KEY     the master of the key is frozen; waits for another one
	//	move KEY       the slot of the key moves to another master (cluster only)
	//	heal           everybody runs, and it works
	//	reset          the same, and nobody has a key
	do(ctx context.Context, order, key string) error
	close()
}

type description struct {
	URL     string   `json:"url"`
	Servers []server `json:"servers"`
}

type server struct {
	Addr string `json:"addr"`
	Pid  int    `json:"pid"`
}

func describe(r rig) description {
	d := description{URL: r.url()}
	for _, s := range r.servers() {
		d.Servers = append(d.Servers, server{s.Addr, s.Pid})
	}
	return d
}

type answer struct {
	Error string `json:"error,omitempty"`
}

func answerTo(r rig, words []string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), orderTime)
	defer cancel()
	key := ""
	switch len(words) {
	case 0:
		return answer{errOrder.Error()}
	case 2:
		key = words[1]
	}
	if err := r.do(ctx, words[0], key); err != nil {
		return answer{err.Error()}
	}
	return answer{}
}

var errOrder = errors.New("no such order")

// revive has every server run.
func revive(servers []*redistest.Server) error {
	for _, s := range servers {
		if s.Stopped() {
			if err := s.StartEmpty(); err != nil {
				return err
			}
		}
		if err := s.Resume(); err != nil {
			return err
		}
	}
	return nil
}
