package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var begin = time.Unix(1000, 0)

// A tombstone is found by its life for as long as TombstoneTime.
func TestTombstoneIsFoundForItsTime(t *testing.T) {
	var s Tombstones
	if _, ok := s.Of("A", begin); ok {
		t.Error("found before anybody ended")
	}
	s.Add(Tombstone{Life: "A", Room: "r", ConnID: "a", UserID: "ann", Reason: store.ReasonKicked, Mine: true}, begin)
	got, ok := s.Of("A", begin.Add(TombstoneTime))
	got.at = time.Time{}
	want(t, "found at the last moment", ok, true)
	want(t, "tombstone", got, Tombstone{Life: "A", Room: "r", ConnID: "a", UserID: "ann", Reason: store.ReasonKicked, Mine: true})
	_, ok = s.Of("A", begin.Add(TombstoneTime+1))
	want(t, "found after that", ok, false)
	_, ok = s.Of("B", begin)
	want(t, "another life is found", ok, false)
}

// A member without a life, of a record that is no member's, is not remembered.
func TestTombstoneNeedsALife(t *testing.T) {
	var s Tombstones
	s.Add(Tombstone{ConnID: "a"}, begin)
	want(t, "length", s.Len(), 0)
}

// What was first known of the end of a life stays, but for whose it is.
func TestFirstWordOfAnEndStays(t *testing.T) {
	var s Tombstones
	s.Add(Tombstone{Life: "A", Reason: store.ReasonKicked}, begin)
	s.Add(Tombstone{Life: "A", Reason: store.ReasonLeave, Mine: true}, begin.Add(TombstoneTime/2))
	got, _ := s.Of("A", begin)
	want(t, "reason", got.Reason, store.ReasonKicked)
	want(t, "mine", got.Mine, true)
	want(t, "length", s.Len(), 1)
	s.Add(Tombstone{Life: "A", Reason: store.ReasonLeave}, begin)
	got, _ = s.Of("A", begin)
	want(t, "still mine", got.Mine, true)
	_, ok := s.Of("A", begin.Add(TombstoneTime+1))
	want(t, "remembered from its first word on", ok, false)
}

// A life that is said to have ended when its first tombstone is over gets another one.
func TestTombstoneAfterItsTime(t *testing.T) {
	var s Tombstones
	s.Add(Tombstone{Life: "A"}, begin)
	late := begin.Add(TombstoneTime + 1)
	s.Add(Tombstone{Life: "A", Mine: true}, late)
	_, ok := s.Of("A", late.Add(TombstoneTime))
	want(t, "remembered again", ok, true)
	want(t, "length", s.Len(), 1)
}

// Mine lists by room what this node removed, the oldest first.
func TestMineIsByRoom(t *testing.T) {
	var s Tombstones
	late := begin.Add(TombstoneTime)
	s.Add(Tombstone{Life: "old", Room: "r", Mine: true}, begin.Add(-1))
	s.Add(Tombstone{Life: "A", Room: "r", Mine: true}, begin)
	s.Add(Tombstone{Life: "B", Room: "r"}, begin)
	s.Add(Tombstone{Life: "C", Room: "r", Mine: true}, begin)
	s.Add(Tombstone{Life: "D", Room: "other", Mine: true}, begin)
	var got []string
	rooms := s.Mine(late)
	for _, room := range []string{"r", "other"} {
		for _, one := range rooms[room] {
			got = append(got, room+":"+one.Life)
		}
	}
	want(t, "mine", strings.Join(got, " "), "r:A r:C other:D")
	want(t, "rooms", len(rooms), 2)
}

// Expire forgets those whose time is over, and gives the memory back when that are all.
func TestExpire(t *testing.T) {
	var s Tombstones
	s.Add(Tombstone{Life: "A"}, begin)
	s.Add(Tombstone{Life: "B"}, begin.Add(time.Second))
	s.Expire(begin.Add(TombstoneTime))
	want(t, "length at the last moment", s.Len(), 2)
	s.Expire(begin.Add(TombstoneTime + 1))
	want(t, "length", s.Len(), 1)
	_, ok := s.Of("B", begin.Add(TombstoneTime))
	want(t, "the younger one is found", ok, true)
	s.Expire(begin.Add(2 * TombstoneTime))
	want(t, "length when all are over", s.Len(), 0)
	want(t, "the memory is given back", s.of == nil && s.order == nil, true)
}

// There are at most MaxTombstones. The oldest goes first, and without waiting for Expire.
func TestTombstonesAreBounded(t *testing.T) {
	var s Tombstones
	for i := range MaxTombstones {
		s.Add(Tombstone{Life: fmt.Sprint(i)}, begin)
	}
	s.Add(Tombstone{Life: "1"}, begin)
	_, ok := s.Of("0", begin)
	want(t, "a word on a known life drops none", ok, true)
	s.Add(Tombstone{Life: "last"}, begin)
	want(t, "length", s.Len(), MaxTombstones)
	want(t, "length by life", len(s.of), MaxTombstones)
	_, ok = s.Of("0", begin)
	want(t, "the oldest is found", ok, false)
	for _, life := range []string{"1", "last"} {
		_, ok = s.Of(life, begin)
		want(t, life+" is found", ok, true)
	}
}

// A tombstone holds on to nothing of the message that its texts came in.
func TestTombstoneCopiesItsTexts(t *testing.T) {
	message := []byte("A r a ann kicked odd")
	at := func(i, n int) string { return unsafe.String(&message[i], n) }
	var s Tombstones
	s.Add(Tombstone{Life: at(0, 1), Room: at(2, 1), ConnID: at(4, 1), UserID: at(6, 3), Reason: store.Reason(at(10, 6))}, begin)
	s.Add(Tombstone{Life: "B", Reason: store.Reason(at(17, 3))}, begin)
	for i := range message {
		message[i] = '!'
	}
	got, ok := s.Of("A", begin)
	want(t, "found", ok, true)
	got.at = time.Time{}
	want(t, "tombstone", got, Tombstone{Life: "A", Room: "r", ConnID: "a", UserID: "ann", Reason: store.ReasonKicked})
	got, _ = s.Of("B", begin)
	want(t, "a reason of a later version", got.Reason, "odd")
}
