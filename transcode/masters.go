package transcode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	weir "github.com/weirstream/weir"
)

// Bounds of fetching a master: ranges of this many bytes, this many at once.
const (
	rangeBytes     = 16 << 20
	rangesAtOnce   = 4
	defaultMasters = 64 << 30
)

// Masters are the masters a worker holds as local files. Where the store is a local disk ([weir.LocalFiles]) that is the
// object itself and nothing is copied; elsewhere each master is fetched once, by parallel ranges, its sha256 verified,
// and kept until others need its room. Safe for concurrent use.
type Masters struct {
	Blobs weir.Blobs
	Dir   string // of this cache alone; its contents are not trusted and are removed at the first use
	Bytes int64  // of copies at rest, least recently used dropped first; one master larger than it is still held. 0 is 64 GiB

	mu     sync.Mutex // guards the rest
	opened bool
	held   map[string]*held
	room   chan struct{} // closed and renewed when a use ends
	clock  int64         // grows with every use
}

// held is one copy, or one under way.
type held struct {
	size  int64
	users int
	used  int64         // Masters.clock at the latest use
	ready chan struct{} // closed when path and err are final
	err   error
}

// Path is a local file with the master's bytes, to be read only until done is called. The first caller's ctx drives the
// fetch; if it ends, another waiting caller takes over. Errors: NotFound if the master is gone, Internal if the bytes are
// not those of its sha256, else the store's.
func (m *Masters) Path(ctx context.Context, master weir.Master) (path string, done func(), err error) {
	key := weir.MasterKey(master.ID)
	if local, ok := m.Blobs.(weir.LocalFiles); ok {
		path, err := local.LocalPath(key)
		return path, func() {}, err
	}
	for {
		h, fetch, wait, err := m.enter(master)
		switch {
		case err != nil:
			return "", nil, err
		case wait != nil: // no room: everything held is in use
			if err := await(ctx, wait); err != nil {
				return "", nil, err
			}
			continue
		case fetch:
			h.err = m.fetch(ctx, key, master)
			close(h.ready)
		}
		if err := await(ctx, h.ready); err != nil {
			m.leave(master.ID, h)
			return "", nil, err
		}
		if h.err == nil {
			return m.file(master.ID), sync.OnceFunc(func() { m.leave(master.ID, h) }), nil
		}
		m.leave(master.ID, h)
		if fetch || !errors.Is(h.err, context.Canceled) && !errors.Is(h.err, context.DeadlineExceeded) {
			return "", nil, h.err
		}
	}
}

// IDs are the masters held, for [ClaimRequest]. Empty where the store is a local disk: there all are as near.
func (m *Masters) IDs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id, h := range m.held {
		if ready, err := h.state(); ready && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (h *held) state() (ready bool, err error) {
	select {
	case <-h.ready:
		return true, h.err
	default:
		return false, nil
	}
}

func (m *Masters) file(id string) string { return filepath.Join(m.Dir, id) }

// enter joins or starts the copy of a master; fetch says that the caller must make it. A channel instead of a copy is
// closed when there may be room.
func (m *Masters) enter(master weir.Master) (h *held, fetch bool, wait <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.open(); err != nil {
		return nil, false, nil, err
	}
	m.clock++
	if h := m.held[master.ID]; h != nil {
		h.users++
		h.used = m.clock
		return h, false, nil, nil
	}
	if !m.makeRoom(master.Size) {
		return nil, false, m.room, nil
	}
	h = &held{size: master.Size, users: 1, used: m.clock, ready: make(chan struct{})}
	m.held[master.ID] = h
	return h, true, nil, nil
}

func (m *Masters) open() error {
	if m.opened {
		return nil
	}
	if err := os.RemoveAll(m.Dir); err != nil {
		return fmt.Errorf("empty the master cache: %w", err)
	}
	if err := os.MkdirAll(m.Dir, 0o700); err != nil {
		return fmt.Errorf("make the master cache: %w", err)
	}
	m.opened, m.held, m.room = true, map[string]*held{}, make(chan struct{})
	return nil
}

// makeRoom drops the least recently used copies nobody uses until size fits, and says whether it does.
func (m *Masters) makeRoom(size int64) bool {
	limit := m.Bytes
	if limit <= 0 {
		limit = defaultMasters
	}
	for {
		var sum int64
		oldest := ""
		for id, h := range m.held {
			sum += h.size
			if h.users == 0 && (oldest == "" || h.used < m.held[oldest].used) {
				oldest = id
			}
		}
		switch {
		case sum+size <= limit || len(m.held) == 0:
			return true
		case oldest == "":
			return false
		}
		m.drop(oldest)
	}
}

func (m *Masters) drop(id string) {
	delete(m.held, id)
	_ = os.Remove(m.file(id)) // a file that stays is overwritten or removed at the next start
}

func (m *Masters) leave(id string, h *held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h.users--
	if _, err := h.state(); err != nil && m.held[id] == h {
		m.drop(id)
	}
	close(m.room)
	m.room = make(chan struct{})
}

// fetch copies the object into its file by parallel ranges, all of one ETag, and verifies it.
func (m *Masters) fetch(ctx context.Context, key string, master weir.Master) error {
	info, err := m.Blobs.Stat(ctx, key)
	if err != nil {
		return fmt.Errorf("stat master: %w", err)
	}
	f, err := os.Create(m.file(master.ID))
	if err != nil {
		return fmt.Errorf("make the master's copy: %w", err)
	}
	defer f.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(rangesAtOnce)
	for off := int64(0); off < info.Size; off += rangeBytes {
		g.Go(func() error { return m.fetchRange(ctx, f, key, off, min(rangeBytes, info.Size-off), info.ETag) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return verify(f, master)
}

func (m *Masters) fetchRange(ctx context.Context, f *os.File, key string, off, n int64, etag string) error {
	r, _, err := m.Blobs.Get(ctx, key, off, n, etag)
	if err != nil {
		return fmt.Errorf("read master at %d: %w", off, err)
	}
	defer r.Close()
	got, err := io.Copy(io.NewOffsetWriter(f, off), io.LimitReader(r, n))
	if err == nil && got != n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("copy master at %d: %w", off, err)
	}
	return nil
}

func verify(f *os.File, master weir.Master) error {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return fmt.Errorf("read the master's copy: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != master.SHA256 {
		return weir.Errorf(weir.Internal, "master %s has sha256 %s, not %s as it was stored", master.ID, got, master.SHA256)
	}
	return nil
}

func await(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
