package store

import "time"

const (
	// ClaimTime is how long a claim on a dead node lasts unless it is prolonged.
	ClaimTime = 5 * time.Second
	// MarkTime is how long a node stays marked dead.
	MarkTime = time.Hour
	// MaxDead bounds the dead nodes that one Beat marks, and that it returns.
	MaxDead = 128
	// MaxJudgeGap is how long ago a node's own life sign before this one may be
	// for it to judge others. After a longer gap it cannot know whether their
	// signs are late for the same reason.
	MaxJudgeGap = 2 * time.Second
)

// BeatRequest is a node's life sign.
type BeatRequest struct {
	Node string
	// LeaseMs is for how long a life sign is good, in ms.
	LeaseMs int64
	// Judge marks nodes dead whose life sign is older than LeaseMs, unless the
	// node's own last one is missing or older than MaxJudgeGap.
	Judge bool
	// Known is set when the store has known the node before. If it does not now, it lost
	// data, and does not note the life sign: the answer may get lost, and the next one must
	// say so again.
	Known bool
	// ExpiresMs is the store's time, in Unix ms, after which the beat does
	// nothing and answers an error that wraps ErrUnavailable; 0: never. One
	// that was held up must not judge by what others had no time to say.
	ExpiresMs int64
}

// BeatStatus says what a life sign met.
type BeatStatus byte

// What a life sign met.
const (
	// BeatRenewed: the node was known.
	BeatRenewed BeatStatus = iota + 1
	// BeatNew: the node was not known, and is from now on. With BeatRequest.Known the store
	// lost data, and nothing was changed.
	BeatNew
	// BeatReaped: the node is marked dead, whether or not its members were reaped yet;
	// nothing was changed.
	BeatReaped
)

// Beat is the answer to a life sign.
type Beat struct {
	// NowMs is the store's time, Unix ms.
	NowMs  int64
	Status BeatStatus
	// Dead are nodes that were marked dead within MarkTime, those marked last
	// first, at most MaxDead; none when the node itself is.
	Dead []string
}

// NodeState is how a node stands.
type NodeState byte

// How nodes stand.
const (
	// NodeUnknown: there is no life sign of it, nor a mark.
	NodeUnknown NodeState = iota
	// NodeAlive: it is not marked dead.
	NodeAlive
	// NodeDead: it was marked dead within MarkTime.
	NodeDead
)
