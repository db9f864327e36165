package arena_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache/arena"
)

// each runs f with small pages, and with huge ones where the kernel gives them.
func each(t *testing.T, f func(t *testing.T, a *arena.Arena)) {
	for name, pages := range map[string]arena.Pages{"small": arena.Small, "huge": arena.Huge} {
		t.Run(name, func(t *testing.T) {
			a, err := arena.Open(arena.Config{Pages: pages, Logs: 3})
			if pages == arena.Huge && weir.KindOf(err) == weir.Unavailable && err != nil {
				state, advice := arena.HugePages()
				t.Skipf("huge pages are not tested: %s; %s", state, advice)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			f(t, a)
		})
	}
}

// held fails unless the kernel's count is what is charged, or below while pages are untouched.
func held(t *testing.T, a *arena.Arena, touched bool) {
	t.Helper()
	n, err := a.Held()
	if err != nil || n > a.Charged() || touched && n != a.Charged() {
		t.Fatalf("the file takes %d bytes (%v), %d are charged", n, err, a.Charged())
	}
}

func TestSpaceComesBackByPages(t *testing.T) {
	each(t, func(t *testing.T, a *arena.Arena) {
		var list []*arena.Extent
		for range 8 {
			cost := a.Cost(0, 1000000)
			before := a.Charged()
			e, err := a.Alloc(0, 1000000, nil)
			if err != nil || e.Next != nil || len(e.Bytes) != 1000000 {
				t.Fatalf("Alloc = %+v, %v", e, err)
			}
			if a.Charged()-before != cost {
				t.Errorf("Alloc charged %d, Cost said %d", a.Charged()-before, cost)
			}
			if err := e.Populate(); err != nil {
				t.Fatal(err)
			}
			held(t, a, true)
			list = append(list, e)
		}
		for _, e := range list {
			a.Free(e)
			held(t, a, true)
		}
		if a.Used() != 0 || a.Charged() != 0 {
			t.Errorf("%d bytes used and %d charged after all were freed", a.Used(), a.Charged())
		}
	})
}

func TestExtentsAreCutWhereWindowsEnd(t *testing.T) {
	each(t, func(t *testing.T, a *arena.Arena) {
		n := a.Window()*2 + 5000
		if _, err := a.Alloc(1, 3*a.Page(), nil); err != nil {
			t.Fatal(err)
		}
		cost, before := a.Cost(1, n), a.Charged()
		e, err := a.Alloc(1, n, "owner")
		if err != nil || a.Charged()-before != cost {
			t.Fatalf("Alloc charged %d, Cost said %d; %v", a.Charged()-before, cost, err)
		}
		var sum, parts int64
		for x := e; x != nil; x = x.Next {
			if x.Owner != "owner" {
				t.Errorf("part %d is of %v", parts, x.Owner)
			}
			sum, parts = sum+int64(len(x.Bytes)), parts+1
		}
		if sum != n || parts != 3 {
			t.Errorf("Alloc(%d) = %d bytes in %d parts, want 3", n, sum, parts)
		}
		a.Free(e)
		if a.Windows() > 2 {
			t.Errorf("%d windows are mapped", a.Windows())
		}
		held(t, a, false)
	})
}

// Offsets that were handed out are not handed out again, whatever is freed and trimmed.
func TestOffsetsOnlyGrow(t *testing.T) {
	each(t, func(t *testing.T, a *arena.Arena) {
		rng := rand.New(rand.NewPCG(1, 2))
		var shown [3]int64 // where each log's last shown byte is
		var live []*arena.Extent
		for range 5000 {
			log := rng.IntN(3)
			e, err := a.Alloc(log, 1+rng.Int64N(300<<10), log)
			if err != nil {
				t.Fatal(err)
			}
			for x := e; x != nil; x = x.Next {
				if x.Off <= shown[log] && shown[log] > 0 {
					t.Fatalf("offset %d again: %d were shown", x.Off, shown[log])
				}
				if x.Next == nil && rng.IntN(3) == 0 {
					a.Trim(x, 1+rng.Int64N(int64(len(x.Bytes))))
				}
				shown[log] = x.Off + min(int64(len(x.Bytes)), x.Span()) - 1
			}
			live = append(live, e)
			for len(live) > 50 {
				i := rng.IntN(len(live))
				a.Free(live[i])
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
			}
		}
		for _, e := range live {
			a.Free(e)
		}
		if a.Used() != 0 || a.Charged() != 0 || a.Windows() > 3 {
			t.Errorf("%d bytes used, %d charged, %d windows after all were freed", a.Used(), a.Charged(), a.Windows())
		}
	})
}

// TestWhatLiesInTheArenaStays allocates, frees, trims and moves at random, and finds every byte as it was written.
func TestWhatLiesInTheArenaStays(t *testing.T) {
	each(t, func(t *testing.T, a *arena.Arena) {
		rng := rand.New(rand.NewPCG(3, 4))
		live := map[int]*arena.Extent{}
		write := func(id int, e *arena.Extent) {
			for at := e; at != nil; at = at.Next {
				for b := at.Bytes[:min(int64(len(at.Bytes)), at.Span())]; len(b) >= 8; b = b[8:] {
					binary.LittleEndian.PutUint64(b, uint64(id))
				}
			}
		}
		check := func(id int, e *arena.Extent) {
			for at := e; at != nil; at = at.Next {
				for b := at.Bytes[:min(int64(len(at.Bytes)), at.Span())]; len(b) >= 8; b = b[8:] {
					if got := binary.LittleEndian.Uint64(b); got != uint64(id) {
						t.Fatalf("extent %d holds bytes of %d", id, got)
					}
				}
			}
		}
		size := func(e *arena.Extent) (n int64) {
			for ; e != nil; e = e.Next {
				n += min(int64(len(e.Bytes)), e.Span())
			}
			return n
		}
		for id := range 3000 {
			e, err := a.Alloc(rng.IntN(2), 1+rng.Int64N(200<<10), id)
			if err != nil {
				t.Fatal(err)
			}
			write(id, e)
			if e.Next == nil && rng.IntN(4) == 0 {
				a.Trim(e, 1+rng.Int64N(int64(len(e.Bytes))))
			}
			live[id] = e
			for id, e := range live {
				if len(live) <= 64 {
					break
				}
				check(id, e)
				a.Free(e)
				delete(live, id)
			}
			victims, _, _ := a.Sparsest(nil, func(x *arena.Extent) bool { return x.Owner.(int)%7 == 0 })
			for _, x := range victims {
				id := x.Owner.(int)
				if id%7 == 0 {
					t.Fatalf("extent %d is pinned", id)
				}
				if old := live[id]; old != nil && old == x && x.Next == nil {
					moved, err := a.Alloc(2, size(old), id)
					if err != nil {
						t.Fatal(err)
					}
					write(id, moved)
					a.Free(old)
					live[id] = moved
				}
			}
			if id%100 == 0 {
				held(t, a, false)
			}
		}
		for id, e := range live {
			check(id, e)
			a.Free(e)
		}
		if a.Charged() != 0 {
			t.Errorf("%d bytes are charged at the end", a.Charged())
		}
	})
}

// With huge pages, moving what stands in the way gives pages back.
func TestSparsestPage(t *testing.T) {
	each(t, func(t *testing.T, a *arena.Arena) {
		if !a.HugePages() {
			return // with small pages a whole mapping is emptied: the random test above
		}
		var list []*arena.Extent
		for range 64 {
			e, err := a.Alloc(0, 256<<10, nil)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
		for i, e := range list {
			if i%8 != 0 && i < 32 {
				a.Free(e)
			}
		}
		before := a.Charged()
		victims, from, to := a.Sparsest(nil, func(*arena.Extent) bool { return false })
		if len(victims) != 1 || victims[0] != list[0] || from != list[0].Off || to != from+a.Page() {
			t.Fatalf("Sparsest = %d extents, want the one of the first page", len(victims))
		}
		if got, _, _ := a.Sparsest(nil, func(e *arena.Extent) bool { return e == list[0] }); len(got) != 1 || got[0] != list[8] {
			t.Errorf("Sparsest without the first page = %d extents, want the one of the second", len(got))
		}
		a.Free(victims[0])
		if before-a.Charged() != a.Page() {
			t.Errorf("%d bytes came back, want a page", before-a.Charged())
		}
	})
}

func TestHugePagesTellsTheState(t *testing.T) {
	state, advice := arena.HugePages()
	a, err := arena.Open(arena.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if inUse := strings.HasPrefix(state, "in use"); inUse != a.HugePages() || inUse != (advice == "") {
		t.Errorf("HugePages() = %q, %q while the arena says %v", state, advice, a.HugePages())
	}
	t.Logf("%s; %s", state, advice)
}

func TestCloseLeavesNothing(t *testing.T) {
	count := func() (files, maps int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries), strings.Count(string(text), "weir-arena")
	}
	files, maps := count()
	for range 3 {
		a, err := arena.Open(arena.Config{Logs: 3})
		if err != nil {
			t.Fatal(err)
		}
		for log := range 3 {
			if _, err := a.Alloc(log, 100<<20, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if f, m := count(); f != files || m != maps {
		t.Errorf("%d descriptors and %d mappings, before it were %d and %d", f, m, files, maps)
	}
}
