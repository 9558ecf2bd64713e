package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// maxPage is how large a page may be that was asked for with a limit of 50: stores take
// the limit for a hint.
const maxPage = 700

// pages reads a list to its end, with a limit of 50, and returns the names in it, sorted and
// each once. between runs after each page.
func (s *suite) pages(read func(cursor string) (names []string, next string, err error), between func()) []string {
	s.Helper()
	var all []string
	for cursor := ""; ; {
		names, next, err := read(cursor)
		s.must(err)
		if len(names) > maxPage {
			s.Errorf("%d at once", len(names))
		}
		all = append(all, names...)
		if next == "" {
			slices.Sort(all)
			return slices.Compact(all)
		}
		cursor = next
		between()
	}
}

func (s *suite) nodeRooms(node string, between func()) []string {
	s.Helper()
	return s.pages(func(cursor string) ([]string, string, error) { return s.b.NodeRooms(s.ctx, node, cursor, 50) }, between)
}

// scanned reads the members of a room page by page, and returns their ids.
func (s *suite) scanned(room string, between func()) []string {
	s.Helper()
	return s.pages(func(cursor string) (ids []string, next string, err error) {
		members, next, err := s.b.ScanMembers(s.ctx, room, cursor, 50)
		for _, m := range members {
			ids = append(ids, m.ConnID)
		}
		return ids, next, err
	}, between)
}

// contains fails unless all of some are among all.
func (s *suite) contains(all, some []string) {
	s.Helper()
	for _, name := range some {
		if _, found := slices.BinarySearch(all, name); !found {
			s.Errorf("%s is missing", name)
		}
	}
}

// atOnce does something n times, some at the same time.
func (s *suite) atOnce(n int, do func(i int) error) {
	s.Helper()
	const workers = 32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := do(i); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func nothing() {}

var pageTests = []test{
	{"rooms of a node", func(s *suite) {
		n, other := store.NodeRoom{Node: "n1", Room: "r1"}, store.NodeRoom{Node: "n2", Room: "r1"}
		for _, add := range []store.NodeRoom{n, n, other} {
			s.must(s.b.AddRoom(s.ctx, add))
		}
		same(s, s.b.Keys(), []string{"{node:n1}:rooms", "{node:n2}:rooms"})
		same(s, s.nodeRooms("n1", nothing), []string{"r1"})
		if list := s.nodeRooms("n3", nothing); len(list) != 0 {
			s.Errorf("%q of a node without rooms", list)
		}
		s.must(s.b.RemoveRoom(s.ctx, n))
		s.must(s.b.RemoveRoom(s.ctx, n))
		same(s, s.b.Keys(), []string{"{node:n2}:rooms"})
		s.must(s.b.RemoveRoom(s.ctx, other))
		s.noKeys()
	}},
	{"odd ids", func(s *suite) {
		for i, id := range oddIDs {
			n := store.NodeRoom{Node: oddIDs[(i+1)%len(oddIDs)], Room: id}
			s.must(s.b.AddRoom(s.ctx, n))
			same(s, s.nodeRooms(n.Node, nothing), []string{id})
			s.must(s.b.RemoveRoom(s.ctx, n))
		}
		s.noKeys()
	}},
	{"a write after its time does nothing", func(s *suite) {
		late, early := store.NodeRoom{Node: "n1", Room: "r1", ExpiresMs: 1}, store.NodeRoom{Node: "n1", Room: "r1"}
		early.ExpiresMs = s.now() + 3_600_000
		s.late(s.b.AddRoom(s.ctx, late))
		s.noKeys()
		s.must(s.b.AddRoom(s.ctx, early))
		late.ExpiresMs = s.now() - 1
		s.late(s.b.RemoveRoom(s.ctx, late))
		same(s, s.nodeRooms("n1", nothing), []string{"r1"})
		s.must(s.b.RemoveRoom(s.ctx, early))
		s.noKeys()
	}},
	{"rooms come page by page while others come and go", func(s *suite) {
		const stand = 1000
		var want []string
		for i := range stand {
			want = append(want, "stands"+strconv.Itoa(i))
		}
		s.atOnce(stand, func(i int) error {
			err := s.b.AddRoom(s.ctx, store.NodeRoom{Node: "n1", Room: want[i]})
			return errors.Join(err, s.b.AddRoom(s.ctx, store.NodeRoom{Node: "n1", Room: "goes" + strconv.Itoa(i)}))
		})
		pages := 0
		got := s.nodeRooms("n1", func() {
			for i := range 100 {
				s.must(s.b.RemoveRoom(s.ctx, store.NodeRoom{Node: "n1", Room: "goes" + strconv.Itoa(100*pages+i)}))
				s.must(s.b.AddRoom(s.ctx, store.NodeRoom{Node: "n1", Room: fmt.Sprint("comes", pages, "-", i)}))
			}
			pages++
		})
		s.contains(got, want)
		if pages < stand/maxPage {
			s.Errorf("%d pages", pages+1)
		}
	}},
	{"what is removed as it is read", func(s *suite) {
		s.atOnce(1000, func(i int) error {
			return s.b.AddRoom(s.ctx, store.NodeRoom{Node: "n1", Room: strconv.Itoa(i)})
		})
		for cursor := ""; ; {
			list, next, err := s.b.NodeRooms(s.ctx, "n1", cursor, 50)
			s.must(err)
			for _, id := range list {
				s.must(s.b.RemoveRoom(s.ctx, store.NodeRoom{Node: "n1", Room: id}))
			}
			if cursor = next; next == "" {
				break
			}
		}
		s.noKeys()
	}},
	{"members of a small room", func(s *suite) {
		if list := s.scanned(room, nothing); len(list) != 0 {
			s.Errorf("%q in a room without a record", list)
		}
		s.put(joinOf("c1", "m:c2"))
		s.put(joinOf("m:c1", "u1"))
		got, next, err := s.b.ScanMembers(s.ctx, room, "", 50)
		s.must(err)
		slices.SortFunc(got, func(a, b store.Member) int { return len(a.ConnID) - len(b.ConnID) })
		same(s, got, s.load(room).Members)
		same(s, next, "")
	}},
	{"members come page by page while others come and go", func(s *suite) {
		const stand, change = 3000, 500
		var want []string
		for i := range stand {
			want = append(want, "stands"+strconv.Itoa(i))
		}
		s.atOnce(stand+change, func(i int) error {
			id := "goes" + strconv.Itoa(i-stand)
			if i < stand {
				id = want[i]
			}
			_, err := store.PutAndWait(s.ctx, s.b, joinOf(id, "u"+strconv.Itoa(i/3)))
			return err
		})
		pages := 0
		got := s.scanned(room, func() {
			for i := range 10 {
				s.remove(store.Remove{Room: room, ConnID: "goes" + strconv.Itoa(10*pages+i)})
				s.put(joinOf(fmt.Sprint("comes", pages, "-", i), "u"))
			}
			pages++
		})
		s.contains(got, want)
		if pages < stand/maxPage {
			s.Errorf("%d pages", pages+1)
		}
	}},
}
