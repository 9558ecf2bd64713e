package engine

import (
	"fmt"
	"runtime/debug"
)

// panicError is a panic of the application's code.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// callApplication runs code of the application; its panic becomes an error, so that it
// costs one request and not the process. Called on goroutines of the node
// only: its end does not wait for this code longer than it was allowed to.
func (e *Node) callApplication(f func() error) (err error) {
	e.workers.EnterApplication()
	defer e.workers.LeaveApplication()
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return f()
}
