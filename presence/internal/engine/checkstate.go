package engine

// checkState says whether an owned member is to be checked. Only its methods change it; the
// room's lock is held.
type checkState struct {
	// due: the store was seen not to have the member as it should, and no check has
	// finished since. It outlives a change of executor.
	due bool
	// again: that was seen once more since the check that is under way began. What that
	// check has read may be older, so another one follows it.
	again bool
	// posted: an operation of the member's executor is about to check, or waits in the
	// retry queue.
	posted bool
	// afterLoss: that was seen soon after the store lost data. The check may take longer than
	// that counts, when the store does not answer.
	afterLoss bool
}

// notice makes a check due.
func (c *checkState) notice(afterLoss bool) {
	c.due, c.again, c.afterLoss = true, true, c.afterLoss || afterLoss
}

// begin is called before a check reads what the store has.
func (c *checkState) begin() { c.again = false }

// finish ends a check after which the member stands.
func (c *checkState) finish() { c.due, c.posted, c.afterLoss = c.again, false, c.again && c.afterLoss }

// drop ends what was posted without a result: the member is in another executor by now, or
// is about to leave this one. What is due stays due.
func (c *checkState) drop() { c.posted = false }
