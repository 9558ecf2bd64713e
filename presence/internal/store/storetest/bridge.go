package storetest

import (
	"strconv"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

var bridgeTests = []test{
	{"every subscription of a room hears it", func(s *suite) {
		one, two := s.subscribe(room), s.subscribe(room)
		other := s.subscribe("other")
		a := s.put(joinOf("c1", "u1"))
		for _, r := range []*recorder{one, two} {
			if e := s.event(r); e.Position != a.Position {
				s.Errorf("%+v", e)
			}
		}
		one.sub.Close()
		one.sub.Close()
		b := s.put(joinOf("c2", "u2"))
		if e := s.event(two); e.Position != b.Position {
			s.Errorf("%+v", e)
		}
		s.quiet(two, room)
		s.quiet(other, "other")
		if len(one.got) != 0 {
			s.Error("a closed subscription was called")
		}
	}},
	{"closing and opening again is not deaf", func(s *suite) {
		m := s.put(joinOf("c1", "u1")).Member
		for i := range 50 {
			rec := s.subscribe(room)
			res := s.put(next(m, strconv.Itoa(i)))
			m = res.Member
			if e := s.event(rec); e.Seq != res.Seq {
				s.Fatalf("round %d: event %d, want %d", i, e.Seq, res.Seq)
			}
			rec.sub.Close()
		}
	}},
	{"closing and opening at once is not deaf", func(s *suite) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 20 {
					rec := newRecorder()
					sub, err := s.b.Subscribe(s.ctx, room, rec)
					if err != nil {
						s.Error(err)
						return
					}
					mark := strconv.Itoa(w*1000 + i)
					if err := s.b.Publish(s.ctx, room, []byte(mark)); err != nil {
						s.Error(err)
						return
					}
					for {
						select {
						case d := <-rec.got:
							if d.cast != mark {
								continue
							}
						case <-s.ctx.Done():
							s.Errorf("cast %s did not arrive", mark)
							return
						}
						break
					}
					sub.Close()
				}
			})
		}
		wg.Wait()
	}},
	{"many rooms at once", func(s *suite) {
		const rooms = 200
		recs := make([]*recorder, rooms)
		var wg sync.WaitGroup
		for i := range recs {
			wg.Go(func() {
				recs[i] = newRecorder()
				sub, err := s.b.Subscribe(s.ctx, "room"+strconv.Itoa(i), recs[i])
				if err != nil {
					s.Error(err)
					return
				}
				recs[i].sub = sub
			})
		}
		wg.Wait()
		for i, r := range recs {
			s.quiet(r, "room"+strconv.Itoa(i))
			r.sub.Close()
		}
	}},
	{"casts reach the room, in order, byte for byte", func(s *suite) {
		for _, id := range oddIDs {
			one, two := s.subscribe(id), s.subscribe(id)
			payloads := []string{"a\x00\xff\n\t", "", "{}"}
			for _, p := range payloads {
				s.must(s.b.Publish(s.ctx, id, []byte(p)))
			}
			for _, r := range []*recorder{one, two} {
				for _, p := range payloads {
					if d := s.next(r); d.event != nil || d.cast != p || d.castRoom != id {
						s.Errorf("%q got %+v, want cast %q", id, d, p)
					}
				}
			}
			one.sub.Close()
			two.sub.Close()
		}
	}},
	{"casts and events share an order", func(s *suite) {
		rec := s.subscribe(room)
		m := s.put(joinOf("c1", "u1")).Member
		s.event(rec)
		for i := range 20 {
			s.must(s.b.Publish(s.ctx, room, []byte(strconv.Itoa(i))))
			m = s.put(next(m, `{}`)).Member
			if d := s.next(rec); d.cast != strconv.Itoa(i) {
				s.Fatalf("got %+v", d)
			}
			if e := s.event(rec); e.Seq != m.Seq {
				s.Fatalf("got %+v", e)
			}
		}
	}},
	{"casts to every node", func(s *suite) {
		recs := []*recorder{newRecorder(), newRecorder()}
		for _, r := range recs {
			sub, err := s.b.SubscribeNodes(s.ctx, r)
			s.must(err)
			r.sub = sub
		}
		inRoom := s.subscribe(room)
		s.must(s.b.PublishNodes(s.ctx, []byte("all\x00")))
		for _, r := range recs {
			if d := s.next(r); d.event != nil || d.cast != "all\x00" || d.castRoom != "" {
				s.Errorf("got %+v", d)
			}
		}
		s.quiet(inRoom, room)
		recs[0].sub.Close()
		s.must(s.b.PublishNodes(s.ctx, []byte("again")))
		if d := s.next(recs[1]); d.cast != "again" {
			s.Errorf("got %+v", d)
		}
		if len(recs[0].got) != 0 {
			s.Error("a closed subscription was called")
		}
	}},
	{"nobody subscribed", func(s *suite) {
		s.must(s.b.Publish(s.ctx, room, []byte("x")))
		s.must(s.b.PublishNodes(s.ctx, []byte("x")))
		s.outcome(s.put(joinOf("c1", "u1")).Outcome, store.Applied)
	}},
}
