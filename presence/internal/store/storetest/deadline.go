package storetest

import (
	"context"
	"errors"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// everyCall runs each method once.
func everyCall(s *suite, ctx context.Context) map[string]error {
	b, errs := s.b, map[string]error{}
	_, errs["StartPut"] = store.PutAndWait(ctx, b, joinOf("c1", "u1"))
	_, errs["Enter"] = b.Enter(ctx, store.EnterRequest{Put: joinOf("c2", "u1"), AddRoom: true})
	_, errs["Remove"] = b.Remove(ctx, store.Remove{Room: room, ConnID: "c1", Epoch: 1})
	_, errs["Load"] = b.Load(ctx, room)
	_, errs["LoadMembers"] = b.LoadMembers(ctx, room, []string{"c1"})
	_, errs["Positions"] = b.Positions(ctx, []string{room})
	_, errs["Subscribe"] = b.Subscribe(ctx, room, newRecorder())
	_, errs["SubscribeNodes"] = b.SubscribeNodes(ctx, newRecorder())
	errs["Publish"] = b.Publish(ctx, room, []byte("x"))
	errs["PublishNodes"] = b.PublishNodes(ctx, []byte("x"))
	errs["AddUser"] = b.AddUser(ctx, userEntry("c1"))
	errs["RemoveUser"] = b.RemoveUser(ctx, userEntry("c1"))
	_, errs["UserMembers"] = b.UserMembers(ctx, "u1")
	errs["AddRoom"] = b.AddRoom(ctx, store.NodeRoom{Node: "n", Room: room})
	errs["RemoveRoom"] = b.RemoveRoom(ctx, store.NodeRoom{Node: "n", Room: room})
	_, _, errs["NodeRooms"] = b.NodeRooms(ctx, "n", "", 10)
	_, _, errs["ScanMembers"] = b.ScanMembers(ctx, room, "", 10)
	errs["ConnJoin"] = b.ConnJoin(ctx, connOf("r1"))
	errs["ConnLeave"] = b.ConnLeave(ctx, connOf("r1"))
	_, errs["ConnRefresh"] = b.ConnRefresh(ctx, "n", []store.Seen{{ConnID: "c1"}})
	_, errs["Beat"] = b.Beat(ctx, store.BeatRequest{Node: "n"})
	errs["MarkDead"] = b.MarkDead(ctx, "n")
	_, errs["Claim"] = b.Claim(ctx, "n", "n2")
	_, errs["NodeStates"] = b.NodeStates(ctx, []string{"n"})
	errs["NodeDone"] = b.NodeDone(ctx, "n")
	errs["Retire"] = b.Retire(ctx, "n")
	return errs
}

var deadlineTests = []test{
	{"a context that has ended", func(s *suite) {
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		for name, err := range everyCall(s, ended) {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				s.Errorf("%s: %v", name, err)
			}
		}
		for name, err := range everyCall(s, s.ctx) {
			if err != nil {
				s.Errorf("%s after that: %v", name, err)
			}
		}
	}},
	{"a closed store", func(s *suite) {
		rec := s.subscribe(room)
		s.must(s.b.Close(s.ctx))
		for name, err := range everyCall(s, s.ctx) {
			if !errors.Is(err, store.ErrClosed) {
				s.Errorf("%s: %v", name, err)
			}
		}
		rec.sub.Close()
		if len(rec.got) != 0 {
			s.Errorf("delivered %+v", <-rec.got)
		}
	}},
}
