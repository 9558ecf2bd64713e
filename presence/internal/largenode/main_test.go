package largenode

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// partEnv makes the test binary a process that runs one part.
const partEnv = "LARGENODE_PART"

// partTime bounds a part.
const partTime = 2 * time.Minute

func TestMain(m *testing.M) {
	if spec := os.Getenv(partEnv); spec != "" {
		if err := runPart(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// part is one part of a run.
type part struct {
	Server bool
	Spec   Spec
}

// runPart runs a part and prints its report.
func runPart(text string) error {
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("reading the part: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	run := Control
	if p.Server {
		run = RunNode
	}
	r, err := run(ctx, p.Spec)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
