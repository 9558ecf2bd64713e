package engine

import "time"

// catchUpTime is how long a node that was frozen reads its input before it restores members:
// some clients have hung up meanwhile, others have moved to other nodes. Half of it was too
// little on a busy machine.
const catchUpTime = time.Second

// catchingUp tells whether the node found itself declared dead so recently.
func (e *Node) catchingUp() bool {
	woke := e.declaredDeadAt.Load()
	return woke != nil && e.clock.Now().Sub(*woke) < catchUpTime
}

// DeclaredDead implements node.Host.
func (e *Engine) DeclaredDead(silence time.Duration) {
	woke := e.clock.Now()
	e.missedRenewals.Store(int64(silence))
	e.declaredDeadAt.Store(&woke)
}

// Reborn implements node.Host: what became of each member is found out when the node has
// caught up. Before that a check could only wait in the retry queue.
func (e *Engine) Reborn() {
	e.start(func() {
		if !e.sleep(catchUpTime) {
			return
		}
		for _, m := range e.Owned.ownedMembers() {
			m.checkSoon()
		}
	})
}

// Draining implements node.Host.
func (e *Engine) Draining() bool { return e.draining.Load() }

// Start implements node.Host.
func (e *Engine) Start(f func()) bool { return e.tryStart(f) }

// Run implements node.Host.
func (e *Engine) Run(room string, f func()) { e.reapPool.Submit(room, f) }
