//go:build linux

// Package arena keeps bytes in a memory file that sendfile can send from. It knows extents and pages; what the bytes
// mean, and which of them to give up, is its owner's business.
//
// Bytes given to sendfile are sent by reference: they may lie in a peer's queue long after the call. So an extent's bytes
// are never written again once its owner showed them to anybody: offsets only grow (the file is sparse), and space
// comes back only by punching whole pages out of it, which leaves the pages in flight as they were. Punching a part of a
// huge page would zero all of it, in flight too; so the unit is the page size that the kernel really used.
//
// Invariant: the memory the file takes, by the kernel's own count, is never more than Charged.
package arena

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	weir "github.com/weirstream/weir"
)

// Pages is the choice of the page size.
type Pages uint8

// The choices.
const (
	Auto  Pages = iota // huge pages where the kernel gives them
	Small              // the processor's pages, 4 KiB on most
	Huge               // huge pages, or Open fails
)

const (
	blocksAWindow = 32      // 64 MiB with blocks of 2 MiB: few mappings, and few bodies cut in two at their ends
	smallBlock    = 2 << 20 // how finely small pages are accounted for
	hugeAlign     = 512     // of extents that share a huge page
)

// Config is how an arena is laid out.
type Config struct {
	Pages Pages
	Logs  int // kinds of extents that die apart from each other and so lie apart; 0 is 1
}

// Arena is the file. Its methods are not safe for concurrent use: the owner has a lock. Bytes of extents may be read and
// written meanwhile.
type Arena struct {
	file   int
	huge   bool
	page   int64 // is charged and punched as a whole
	block  int64 // a huge page, or as many small ones
	align  int64
	end    int64 // of the file
	logs   []*window
	window map[*window]struct{}

	charged, used int64
}

// window is a piece of the file that is mapped as a whole and filled from its start by one log.
type window struct {
	off    int64
	data   []byte
	next   int64 // where the log goes on
	used   int64
	blocks [blocksAWindow]block
}

// block is what is known of one huge page, or of as many small ones.
type block struct {
	used    int64     // bytes of extents
	charged bool      // with huge pages
	starts  []*Extent // that begin here
	into    *Extent   // begins before and reaches here; there is at most one
}

// Extent is bytes that lie together. The owner may set Owner and Next.
type Extent struct {
	Bytes []byte
	Off   int64   // in the file
	Owner any     // what moves if the extent must
	Next  *Extent // of the same body

	window *window
	span   int64 // Bytes and what rounding adds
}

// Open makes an empty arena. Its error is Unavailable if the kernel has no memory files, or no huge pages and they must be.
func Open(config Config) (*Arena, error) {
	file, err := memoryFile()
	if err != nil {
		return nil, err
	}
	a := &Arena{file: file, window: map[*window]struct{}{}, logs: make([]*window, max(config.Logs, 1))}
	small, huge := pageSizes()
	a.huge = config.Pages != Small && huge > small && given(huge, unix.MADV_HUGEPAGE) == huge
	if !a.huge {
		// A kernel that is told to use huge pages always would have them zeroed in flight by holes of 4 KiB.
		a.huge = given(max(huge, small), unix.MADV_NOHUGEPAGE) > small
	}
	if config.Pages == Huge && !a.huge {
		return nil, errors.Join(weir.Errorf(weir.Unavailable, "the kernel gives no huge pages"), unix.Close(file))
	}
	a.page, a.block, a.align = small, smallBlock, small
	if a.huge {
		a.page, a.block, a.align = huge, huge, hugeAlign
	}
	return a, nil
}

// Close unmaps all and closes the file. No extent may be used any more.
func (a *Arena) Close() error {
	var err error
	for w := range a.window {
		err = errors.Join(err, a.unmap(w))
	}
	return errors.Join(err, unix.Close(a.file))
}

// File is the descriptor to send from.
func (a *Arena) File() int { return a.file }

// HugePages says whether space comes and goes in huge pages.
func (a *Arena) HugePages() bool { return a.huge }

// Page is the size of the pages that are charged, in bytes.
func (a *Arena) Page() int64 { return a.page }

// Charged is the bytes of all pages that extents touch or touched and that are not punched yet.
func (a *Arena) Charged() int64 { return a.charged }

// Used is the bytes of extents, rounding included; the rest of Charged is dead.
func (a *Arena) Used() int64 { return a.used }

// Windows is how many mappings there are.
func (a *Arena) Windows() int { return len(a.window) }

// Window is the bytes of one mapping.
func (a *Arena) Window() int64 { return a.block * blocksAWindow }

// Held is what the kernel says the file takes, in bytes.
func (a *Arena) Held() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(a.file, &st); err != nil {
		return 0, fmt.Errorf("look at the memory file: %w", err)
	}
	return st.Blocks * 512, nil
}

// Round is the bytes that an extent of n takes in Used.
func (a *Arena) Round(n int64) int64 { return (n + a.align - 1) / a.align * a.align }

// Cost is the bytes that Alloc would add to Charged.
func (a *Arena) Cost(log int, n int64) int64 {
	n = a.Round(n)
	if !a.huge {
		return n
	}
	pages := func(n int64) int64 { return (n + a.page - 1) / a.page }
	w := a.logs[log]
	if w == nil {
		return pages(n) * a.page
	}
	here := min(n, a.Window()-w.next)
	return (pages(w.next+here) - pages(w.next) + pages(n-here)) * a.page
}

// Alloc hands out n > 0 bytes at the end of a log: one extent, or several linked by Next where a window ends. They read as
// zero. The error is Unavailable if the kernel maps no more.
func (a *Arena) Alloc(log int, n int64, owner any) (*Extent, error) {
	var first *Extent
	for end := &first; n > 0; {
		w := a.logs[log]
		if w == nil || w.next == a.Window() {
			var err error
			if w, err = a.open(); err != nil {
				a.Free(first)
				return nil, err
			}
			old := a.logs[log]
			if a.logs[log] = w; old != nil && old.used == 0 {
				a.unmap(old)
			}
		}
		e := a.take(w, min(n, a.Window()-w.next))
		e.Owner = owner
		*end, end = e, &e.Next
		n -= int64(len(e.Bytes))
	}
	return first, nil
}

func (a *Arena) take(w *window, n int64) *Extent {
	from, to := w.next, w.next+a.Round(n)
	e := &Extent{Bytes: w.data[from : from+n : from+n], Off: w.off + from, window: w, span: to - from}
	w.next = to
	w.used += e.span
	a.used += e.span
	if !a.huge {
		a.charged += e.span
	}
	for i := from / a.block; i*a.block < to; i++ {
		b := &w.blocks[i]
		b.used += min(to, (i+1)*a.block) - max(from, i*a.block)
		if a.huge && !b.charged {
			b.charged = true
			a.charged += a.page
		}
		if from >= i*a.block {
			b.starts = append(b.starts, e)
		} else {
			b.into = e
		}
	}
	return e
}

// Populate has the kernel give all pages of an extent and those after it now, and say so if it has none, where a later
// write would end the process. It may run beside all other methods.
func (e *Extent) Populate() error {
	small := int64(unix.Getpagesize())
	for ; e != nil; e = e.Next {
		from := (e.Off - e.window.off) / small * small
		to := min((e.Off-e.window.off+e.span+small-1)/small*small, int64(len(e.window.data)))
		switch err := unix.Madvise(e.window.data[from:to], unix.MADV_POPULATE_WRITE); err {
		case nil, unix.EINVAL: // a kernel before 5.14
		case unix.EINTR, unix.EAGAIN: // touched one by one when written
		default:
			return weir.Errorf(weir.Unavailable, "no memory for %d bytes: %w", e.span, err)
		}
	}
	return nil
}

// Free gives back an extent and those after it. What was given to sendfile before arrives as it was.
func (a *Arena) Free(e *Extent) {
	for ; e != nil; e = e.Next {
		w, from := e.window, e.Off-e.window.off
		a.forget(e, from)
		a.punch(w, from, from+e.span)
		if w.used == 0 && !a.current(w) {
			a.unmap(w)
		}
	}
}

// Trim gives back all but the first n > 0 bytes of an extent. What it gives back must have been shown to nobody. Bytes stays
// as it is, since others may look at the first of them meanwhile; the rest must not be touched any more.
func (a *Arena) Trim(e *Extent, n int64) {
	w, from := e.window, e.Off-e.window.off
	keep, last := a.Round(n), w.next == from+e.span
	if keep == e.span {
		return
	}
	for i := (from+keep-1)/a.block + 1; i*a.block < from+e.span; i++ {
		w.blocks[i].into = nil
	}
	a.punch(w, from+keep, from+e.span)
	if e.span = keep; last {
		w.next = from + keep
	}
}

// Cut parts an extent in two, the second being the first's Next, at the offset off of the file, where a page begins. Nobody
// else may look at it meanwhile.
func (a *Arena) Cut(e *Extent, off int64) {
	n, w := off-e.Off, e.window
	rest := &Extent{Bytes: e.Bytes[n:], Off: off, Owner: e.Owner, Next: e.Next, window: w, span: e.span - n}
	e.Bytes, e.span, e.Next = e.Bytes[:n:n], n, rest
	i := (off - w.off) / a.block
	w.blocks[i].starts = append(w.blocks[i].starts, rest)
	w.blocks[i].into = nil
	for i++; i*a.block < off-w.off+rest.span; i++ {
		w.blocks[i].into = rest
	}
}

// Span is the bytes that the extent takes in Used.
func (e *Extent) Span() int64 { return e.span }

func (a *Arena) current(w *window) bool {
	for _, log := range a.logs {
		if log == w {
			return true
		}
	}
	return false
}

// forget takes e off the lists of the blocks it touches.
func (a *Arena) forget(e *Extent, from int64) {
	w, i := e.window, from/a.block
	starts := w.blocks[i].starts
	for k := range starts {
		if starts[k] == e {
			last := len(starts) - 1
			starts[k], starts[last] = starts[last], nil
			w.blocks[i].starts = starts[:last]
			break
		}
	}
	for i++; i*a.block < from+e.span; i++ {
		w.blocks[i].into = nil
	}
}

// punch discounts the bytes from and to of w and gives back what pages are free by that.
func (a *Arena) punch(w *window, from, to int64) {
	w.used -= to - from
	a.used -= to - from
	if !a.huge {
		a.hole(w, from, to)
	}
	for i := from / a.block; i*a.block < to; i++ {
		b := &w.blocks[i]
		if b.used -= min(to, (i+1)*a.block) - max(from, i*a.block); b.used > 0 || !a.huge {
			continue
		}
		if w.next > i*a.block && w.next < (i+1)*a.block {
			w.next = (i + 1) * a.block // the log has begun this page; the offsets that are left of it cost nothing
		}
		b.charged = false
		a.hole(w, i*a.block, (i+1)*a.block)
	}
}

func (a *Arena) hole(w *window, from, to int64) {
	for {
		err := unix.Fallocate(a.file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, w.off+from, to-from)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return // it stays charged: nothing but a broken kernel gets here
		}
	}
	a.charged -= to - from
}

// Sparsest finds the page, or with small pages the mapping, that could be given back with the fewest bytes in use: it
// lies between the offsets from and to, and the extents that reach into it are appended to list; none if there is no such
// page. Pages with an extent that pinned says yes to are passed over, and so are those that are nearly full.
func (a *Arena) Sparsest(list []*Extent, pinned func(*Extent) bool) (extents []*Extent, from, to int64) {
	var best *window
	first, n, least := 0, 1, a.block*7/8+1
	if !a.huge {
		n, least = blocksAWindow, a.Window()
	}
	for w := range a.window {
		current := a.current(w)
		for i := 0; i < blocksAWindow; i += n {
			used := w.used
			if a.huge {
				used = w.blocks[i].used
			}
			start, end := int64(i)*a.block, int64(i+n)*a.block
			switch {
			case used == 0 || current && w.next > start && w.next < end:
			case used > least || used == least && (best == nil || w.off >= best.off):
			case w.free(i, n, pinned):
				least, best, first = used, w, i
			}
		}
	}
	if best == nil {
		return list, 0, 0
	}
	for i := first; i < first+n; i++ {
		if b := &best.blocks[i]; b.into != nil {
			list = append(list, b.into)
		}
		list = append(list, best.blocks[i].starts...)
	}
	from = best.off + int64(first)*a.block
	return list, from, from + int64(n)*a.block
}

func (w *window) free(first, n int, pinned func(*Extent) bool) bool {
	for i := first; i < first+n; i++ {
		b := &w.blocks[i]
		if b.into != nil && pinned(b.into) || slices.ContainsFunc(b.starts, pinned) {
			return false
		}
	}
	return true
}

// open maps the next window of the file.
func (a *Arena) open() (*window, error) {
	size := a.Window()
	if err := unix.Ftruncate(a.file, a.end+size); err != nil {
		return nil, weir.Errorf(weir.Unavailable, "extend the memory file: %w", err)
	}
	advice := unix.MADV_NOHUGEPAGE
	if a.huge {
		advice = unix.MADV_HUGEPAGE
	}
	data, err := mapped(a.file, a.end, size, a.block, advice)
	if err != nil {
		return nil, err
	}
	w := &window{off: a.end, data: data}
	a.window[w] = struct{}{}
	a.end += size
	return w, nil
}

func (a *Arena) unmap(w *window) error {
	delete(a.window, w)
	if err := unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(w.data)), uintptr(len(w.data))); err != nil {
		return fmt.Errorf("unmap a window: %w", err)
	}
	return nil
}
