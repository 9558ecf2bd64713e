package main

// rule is one repair rule of presence.
type rule struct {
	name string
	why  string // what it is for, in one sentence
	// edits switch it off.
	edits []edit
}

// edit changes one function: its whole body, or with old the one place where that
// text stands.
type edit struct {
	file string // from the root of the module
	fn   string // name, or type.name
	body string
	old  string
	new  string
}

// off is a rule that is one function with another body.
func off(name, file, fn, body, why string) rule {
	return rule{name, why, []edit{{file: "presence/" + file, fn: fn, body: body}}}
}

// without is a rule that is one place in a function.
func without(name, file, fn, old, new, why string) rule {
	return rule{name, why, []edit{{file: "presence/" + file, fn: fn, old: old, new: new}}}
}

// rules are the rules that repair what a fault has broken. What only bounds work or
// memory is not among them.
var rules = []rule{
	// The store lost data.
	off("storeLost", "reset.go", "engine.storeLost", ``,
		"A node that the store does not know any more looks at all its rooms."),
	off("wasReset", "reset.go", "room.wasReset", `return noReset`,
		"A room that is read again shows by itself that the store lost writes of it."),
	off("keep", "reset.go", "room.keep", `
	r.keeping = false
	for id, m := range old {
		own := r.owned[id]
		if own != nil && !own.leaving && !own.removed && own.newerThan(loaded[id]) {
			r.reassert(own, loaded[id] == nil)
			m.unsure, loaded[id] = true, m
		}
	}`, "Members of other nodes that the store lost are shown on, for their owners to restore them."),
	off("reassert", "reset.go", "room.reassert", ``,
		"The owner writes its members again that the store lost, or has in an older state."),
	off("keepOwn", "reset.go", "room.keepOwn", ``,
		"A node's own member that a load lacks is shown on until it is known why."),
	off("dropGone", "reset.go", "room.dropGone", ``,
		"A member whose leave the store lost is not shown again. Its leave is repeated."),
	off("leaves", "reset.go", "room.leaves", `return false`,
		"A leave that comes out of order counts as one: the member's absence is no loss."),
	off("newerThan (of another)", "reset.go", "member.newerThan", `return false`,
		"An older write of a member in the store than the replica has is a sign of a loss."),
	off("newerThan (own)", "reset.go", "membership.newerThan", `return stands == nil`,
		"The owner's last write is restored when the store has an older one."),
	off("restoreGrace", "reset.go", "room.restoreGrace", ``,
		"Members in grace that the store lost are written again, too."),
	off("mayHaveLost", "loss.go", "engine.mayHaveLost", `e.noteLoss()`,
		"A node that hears of a failover repeats its last writes."),
	off("noteLoss", "loss.go", "engine.noteLoss", ``,
		"For some seconds after a loss, missing members may still be restored."),
	off("lostOfLate", "loss.go", "room.lostOfLate", `return false`,
		"Soon after a loss a missing member counts as lost, not as removed."),
	off("repeatLeaves", "loss.go", "engine.repeatLeaves", ``,
		"Leaves of the last minute are carried out again when the store may have lost them."),
	off("registerAll", "loss.go", "engine.registerAll", ``,
		"Index entries are written again when the store may have lost them, but not the members."),
	off("noteLeft", "departed.go", "room.noteLeft", ``,
		"A replica remembers for a minute which members left."),
	off("knows", "departed.go", "tombstones.knows", `return true`,
		"A member is taken for one that left only if it is known to be the same life."),
	without("covers (unaware)", "departed.go", "tombstone.covers",
		"m.JoinedMs == t.joinedMs && t.reason != ReasonNodeLost", "false",
		"A member that was restored, or taken over, by a node that did not know that it had left is the one that left."),
	off("refuse", "room.go", "room.refuse", ``,
		"A node that removed a member removes it again when another node restores it."),
	off("left", "departed.go", "room.left", `return "", false`,
		"A claimant does not take over a member that it knows to have left."),
	off("leaveAgain", "departed.go", "engine.leaveAgain", ``,
		"A member that came back although it had left is removed from the store, not only from sight."),
	off("takenOverLate", "room.go", "room.takenOverLate", `return false`,
		"A member that had left is not shown when a claimant takes it over without knowing that."),
	without("apply (of before a loss)", "room.go", "room.apply",
		"case old != nil && old.unsure && old.Owner == e.Member.Owner && old.newerThan(&e.Member):", "case false:",
		"An event from before a loss does not replace what is shown on since the loss."),
	without("take (backwards)", "room.go", "room.take",
		"backwards := e.Born == r.heard.Born && e.Seq <= r.heard.Seq", "backwards := false",
		"A sequence number that comes twice says that the store lost what had it first."),
	off("lookAgain", "refetch.go", "room.lookAgain", ``,
		"A room that shows what the store has not is read once more, some seconds later."),
	off("countUsersHere", "room.go", "room.countUsersHere", ``,
		"Connections of a user are counted by what is shown while that is not what the store has."),
	off("followKept", "kept.go", "room.followKept", ``,
		"The other nodes are asked about members that the store lost and nobody restored."),
	off("inquire", "inquiry.go", "room.inquire", `
	if g := m.grace; !g.over && !m.restoring {
		then()
	}`, "Before a member in grace is restored, the other nodes are asked whether it left elsewhere."),
	off("missingOwners", "refetch.go", "room.missingOwners", `return nil`,
		"Members of dead nodes are not shown on after a loss."),

	// A member is missing, and nobody said why.
	off("question", "question.go", "room.question", `
	if m.seat != nil || m.grace != nil {
		r.evict(m, evictRemoved, ReasonDisconnect)
	}`, "A node finds out why the store does not have its member, and restores one that was not removed."),
	off("findOut", "question.go", "missing.findOut", `return restore()`,
		"A missing member is restored only if nobody removed it."),
	off("explain", "explain.go", "seat.explain", `return false, st.lost(m, found)`,
		"A write that finds no member asks whether it was lost, and restores it then."),
	off("lags", "explain.go", "room.lags", `return false`,
		"A room whose record is another one, or stands behind, has lost the member that a write misses."),
	off("toldOfALoss", "explain.go", "seat.toldOfALoss", `return m.room.lostOfLate(), nil`,
		"A write that finds no member waits a moment for word of a loss."),
	off("orphaned", "explain.go", "seat.orphaned", `return false, nil`,
		"A write that finds its member without a socket under another node takes it back."),
	off("checkOwners", "strangers.go", "engine.checkOwners", ``,
		"A node that shows members of an owner without a life sign and an index removes them."),
	off("questionUnseen", "strangers.go", "engine.questionUnseen", `return nil`,
		"A node asks what became of own members that its replica does not show as its own."),
	off("settleOwned", "refetch.go", "room.settleOwned", ``,
		"A node that missed an event lets go of members that a load shows elsewhere, or asks why they are missing."),
	without("beginGrace (question)", "grace.go", "membership.beginGrace", "if m.restoring || m.lost != noReset {", "if false {",
		"An open question about a member stays open when its socket ends."),
	without("seatMember (question)", "join.go", "seat.seatMember", "if m.lost != noReset {", "if false {",
		"A member that the store lost while its join was being answered is restored."),
	off("mayBeLost", "resume.go", "seat.mayBeLost", `return false, nil`,
		"A resume waits for a member that the store lost and that its owner may be about to restore."),
	off("shown (resume)", "resume.go", "takeover.shown", `return false`,
		"A resume waits for a member that is shown, but not in the store."),
	off("keepNewest", "resume.go", "takeover.keepNewest", `return nil`,
		"A resume that meets an older state in the store than is shown writes the newer one."),

	// A node died, or was taken for dead.
	off("bury", "reap.go", "engine.bury", ``,
		"Members of a dead node leave, or are taken over for their grace."),
	without("closeGrave (again)", "reap.go", "engine.closeGrave", "!g.emptied.IsZero()", "true",
		"A dead node's index is looked at once more, for what was on its way when it died."),
	off("reopenGraves", "reap.go", "engine.reopenGraves", ``,
		"Dead nodes are looked at again when the store may have lost what was removed of them."),
	off("restoreOwn", "restore.go", "engine.restoreOwn", `return false`,
		"A member that a dead node's index names, and whose socket is here, is not reaped."),
	without("reborn", "restore.go", "engine.reborn", "m.room.restoreLive(m)", "_ = m",
		"A node that was declared dead restores the members that have a socket here."),
	{"catchUp", "A node that was declared dead first reads what clients sent, and what others did, meanwhile.", []edit{
		{file: "presence/restore.go", fn: "engine.reborn", old: "if !e.sleep(catchUp) {", new: "if false {"},
		{file: "presence/restore.go", fn: "engine.catchesUp", body: `return false`},
	}},
	off("restoreLive", "restore.go", "room.restoreLive", ``,
		"A member that was reaped although its socket is here is written again."),
	off("leftElsewhere", "restore.go", "membership.leftElsewhere", `return false`,
		"A node that was taken for dead does not restore a member that was resumed elsewhere and left there."),
	without("signOff (left)", "drain.go", "engine.signOff", "if left {", "if false {",
		"A node that leaves something behind when it stops is marked dead, for others to see to it."),

	// Answers, events and turns that are lost, late, or out of order.
	off("patient", "index.go", "engine.patient", `return step`,
		"What is repeated waits until the try before can have no effect any more."),
	off("unsettle", "mend.go", "engine.unsettle", `e.doubt()`,
		"A write without an answer is settled in the background."),
	off("audit", "audit.go", "engine.audit", ``,
		"After writes in doubt a node compares its index with what it holds."),
	off("undo", "join.go", "seat.undo", `
	st.sock.mu.Lock()
	st.sock.floor = max(st.sock.floor, m.epoch.Load())
	st.sock.mu.Unlock()`, "A join that was refused is taken back if it took effect."),
	off("unsettleRejoin", "join.go", "seat.unsettleRejoin", ``,
		"A second join of a member that was refused is taken back if it took effect."),
	without("updated", "update.go", "engine.updated", "e.unsettle(l, m.writing(func() store.Put { return again }))", "_ = again",
		"A patch without an answer is written until there is one."),
	off("settle (resume)", "resume.go", "takeover.settle", `
	t.st.room.moves.Unlock(t.connID)
	return nil`, "A resume without an answer is found out about: the member goes into grace if it took effect."),
	off("forget", "resume.go", "membership.forget", `return m.room.unregister(ctx, m.entry())`,
		"A resume that came to nothing leaves nothing behind, not even a member under this node's id."),
	off("succeed", "resume.go", "room.succeed", `
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.owned[m.connID]; before != nil && before != m {
		r.evict(before, evictReplaced, "")
	}
	r.own(m)
	return true`, "A resume whose member was taken over or removed since is none."),
	{"moves", "Two requests of one node do not take the same member over at the same time.", []edit{
		{file: "internal/keylock/keylock.go", fn: "Locks.take", body: `return nil`},
	}},
	off("removeOther", "membership.go", "engine.removeOther", `return store.RemoveResult{Outcome: store.Fenced}, nil`,
		"A leave that meets the same life of the member under another epoch removes that."),
	{"doubtMs", "A leave waits until a restore in doubt cannot bring the member back.", []edit{
		{file: "presence/membership.go", fn: "engine.remove", old: "if e.storeNow() <= m.doubtMs.Load() {", new: "if false {"},
		{file: "presence/membership.go", fn: "room.evict", old: "case m.doubtMs.Load() > 0:", new: "case false:"},
	}},
	off("freeConnID", "join.go", "seat.freeConnID", `return st.sock.peer.id()`,
		"A socket whose id lives on as somebody else's member joins by another one."),
	without("enter (tries)", "join.go", "seat.enter", "for range enterTries {", "for range 1 {",
		"A join that finds its connId taken draws another one."),
	off("epochAbove", "join.go", "seat.epochAbove", `return 0`,
		"A member that joins again is above its epochs of before."),
	off("checkQuiet", "quiet.go", "engine.checkQuiet", ``,
		"A room that hears nothing is compared with the store: its last event may be lost."),
	off("readIfQuiet", "arrival.go", "room.readIfQuiet", `return true`,
		"A join whose own event does not come reads the room."),
	off("doubt", "room.go", "room.doubt", `
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspect = r.suspect || lost`, "A room whose subscription was interrupted is read again."),
	off("changesUser", "room.go", "room.changesUser", `return false`,
		"An event that gives a member to another user is shown as a leave and a join."),
	without("hold (leaves)", "held.go", "room.hold", "r.leaves(&h.events[i])", "_ = i",
		"Leaves among events that are dropped, since too many wait for a load, are remembered."),
	without("reaper (slept)", "reaper.go", "engine.reaper", "if slept {", "if false && slept {",
		"A node that stood still does not close connections for a silence that was its own."),
	without("silenceWatch (slept)", "silent.go", "engine.silenceWatch", "if now.Before(catchesUp) {", "if false && now.Before(catchesUp) {",
		"A node that stood still does not show members away for a silence that was its own."),
	without("mayJudge (steady)", "lease.go", "engine.mayJudge", " && now.Sub(l.steady) >= e.leaseTime+steadyExtra", "",
		"A node judges others only when its own life signs have not been late for a while."),
	without("learn", "lease.go", "engine.learn", "if e.learned.Load() != nil {", "if false {",
		"An answer that took long changes little of what is known of the store's time."),
	without("kick (again)", "kick.go", "engine.kick", "case missed == 0:", "case err == nil:",
		"A kick follows a member that is written at the same time."),
	off("refresh", "reaper.go", "engine.refresh", ``,
		"Records of connections are renewed, and written again when the store lost them."),
}
