package record

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// ErrAnswer says that a script's answer is not as it writes it.
var ErrAnswer = fmt.Errorf("answer of a script: %w", ErrFields)

// ReadPut reads the answer to a put.
func ReadPut(p *store.Put, text string, res *store.PutResult) error {
	if line, ok := strings.CutPrefix(text, "+"); ok {
		return readUsual(p, line, res)
	}
	record := text
	if text == "" || text[0] < '0' || '9' < text[0] { // it does not begin as a record
		head, stands, _ := strings.Cut(text, "\n")
		f := Fields{Rest: head}
		if res.Outcome = f.Outcome(); res.Outcome != store.Expired {
			res.Position = f.position()
		}
		if f.Err != nil {
			return ErrAnswer
		}
		record = stands
	}
	if record == "" {
		return nil
	}
	var e store.Event
	if err := readRecord(&e, p.Room, record); err != nil {
		return fmt.Errorf("member that stands: %w", err)
	}
	if res.Outcome == 0 {
		res.Outcome, res.Position = store.Applied, e.Position
	}
	res.Member = e.Member
	if res.Outcome == store.Applied && len(e.Member.State) < len(p.Member.State) && !p.KeepState {
		res.Member.State = bytes.Clone(p.Member.State) // the script left it out
	}
	return nil
}

// readUsual reads the last line of a record. The rest of the record is what the caller has
// sent.
func readUsual(p *store.Put, line string, res *store.PutResult) error {
	var last store.Event
	if err := readLast(&last, line); err != nil {
		return fmt.Errorf("answer of a script: %w", err)
	}
	res.Outcome, res.Position, res.Member = store.Applied, last.Position, p.Member
	m := &res.Member
	m.Seq, m.State = last.Seq, bytes.Clone(m.State) // which is the caller's
	if m.JoinedMs == 0 {
		m.JoinedMs = last.AtMs
	}
	return nil
}
