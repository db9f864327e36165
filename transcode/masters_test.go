package transcode_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/transcode"
)

// farBlobs are objects that are no local files, as on S3. Reads are counted and may be held up.
type farBlobs struct {
	weir.Blobs
	gets atomic.Int64
	gate chan struct{} // nil, or closed when reads may go on
	came chan struct{} // nil, or gets a value for each read held up
}

func (f *farBlobs) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	f.gets.Add(1)
	if f.gate != nil {
		if f.came != nil {
			f.came <- struct{}{}
		}
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, weir.ObjectInfo{}, ctx.Err()
		}
	}
	return f.Blobs.Get(ctx, key, off, n, ifMatch)
}

func openBlobs(t testing.TB) *embed.Blobs {
	t.Helper()
	b, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// putMaster stores size bytes as a master.
func putMaster(t testing.TB, blobs weir.Blobs, id string, size int) (weir.Master, []byte) {
	t.Helper()
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(size), 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	sum := sha256.Sum256(b)
	if _, err := blobs.Put(t.Context(), weir.MasterKey(id), bytes.NewReader(b), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	return weir.Master{ID: id, Organisation: "default", Size: int64(size), SHA256: hex.EncodeToString(sum[:])}, b
}

func TestMastersOnALocalDiskAreTheObjects(t *testing.T) {
	blobs := openBlobs(t)
	master, want := putMaster(t, blobs, "m1", 1000)
	dir := filepath.Join(t.TempDir(), "masters")
	m := &transcode.Masters{Blobs: blobs, Dir: dir}
	path, done, err := m.Path(t.Context(), master)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Path gave %d bytes, %v", len(got), err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a copy was made: %v", err)
	}
	if ids := m.IDs(); len(ids) != 0 {
		t.Errorf("IDs() = %v, want none", ids)
	}
}

func TestMastersAreFetchedOnceInRanges(t *testing.T) {
	far := &farBlobs{Blobs: openBlobs(t), gate: make(chan struct{})}
	master, want := putMaster(t, far, "m1", 33<<20)
	m := &transcode.Masters{Blobs: far, Dir: t.TempDir()}
	var users sync.WaitGroup
	for range 5 {
		users.Go(func() {
			path, done, err := m.Path(t.Context(), master)
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("Path gave %d bytes, %v", len(got), err)
			}
		})
	}
	close(far.gate)
	users.Wait()
	if n := far.gets.Load(); n != 3 {
		t.Errorf("%d ranges were read, want 3", n)
	}
	if ids := m.IDs(); len(ids) != 1 || ids[0] != "m1" {
		t.Errorf("IDs() = %v, want m1", ids)
	}
}

func TestMastersStayWithinTheirBytes(t *testing.T) {
	far := &farBlobs{Blobs: openBlobs(t)}
	dir := t.TempDir()
	m := &transcode.Masters{Blobs: far, Dir: dir, Bytes: 2500}
	use := func(id string) (string, func()) {
		t.Helper()
		master, _ := putMaster(t, far, id, 1000)
		path, done, err := m.Path(t.Context(), master)
		if err != nil {
			t.Fatal(err)
		}
		return path, done
	}
	_, done := use("a")
	done()
	_, done = use("b")
	done()
	_, done = use("a") // b is now the oldest
	done()
	held, done := use("c")
	if got := fmt.Sprint(m.IDs()); got != "[a c]" {
		t.Errorf("IDs() = %s, want [a c]", got)
	}
	_, doneD := use("d") // c is in use: a goes
	if got := fmt.Sprint(m.IDs()); got != "[c d]" {
		t.Errorf("IDs() = %s, want [c d]", got)
	}
	if _, err := os.Stat(held); err != nil {
		t.Errorf("a master in use was dropped: %v", err)
	}
	got := make(chan error, 1)
	big, _ := putMaster(t, far, "big", 5000)
	go func() {
		_, doneBig, err := m.Path(t.Context(), big)
		if err == nil {
			doneBig()
		}
		got <- err
	}()
	done() // both end: a master larger than the bound is held alone
	doneD()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.IDs()); got != "[big]" {
		t.Errorf("IDs() = %s, want [big]", got)
	}
}

func TestMastersOutliveACallerThatLeaves(t *testing.T) {
	far := &farBlobs{Blobs: openBlobs(t), gate: make(chan struct{}), came: make(chan struct{}, 9)}
	master, _ := putMaster(t, far, "m1", 1000)
	m := &transcode.Masters{Blobs: far, Dir: t.TempDir()}
	ctx, leave := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := m.Path(ctx, master)
		first <- err
	}()
	<-far.came // the first caller is fetching
	go func() {
		_, done, err := m.Path(t.Context(), master)
		if err == nil {
			done()
		}
		second <- err
	}()
	leave()
	if err := <-first; err == nil {
		t.Error("Path of a caller that left gave no error")
	}
	close(far.gate)
	if err := <-second; err != nil {
		t.Errorf("Path of the caller that stayed: %v", err)
	}
}

func TestMastersRefuseOtherBytes(t *testing.T) {
	far := &farBlobs{Blobs: openBlobs(t)}
	master, _ := putMaster(t, far, "m1", 1000)
	putMaster(t, far, "m1", 999)
	m := &transcode.Masters{Blobs: far, Dir: t.TempDir()}
	if _, _, err := m.Path(t.Context(), master); weir.KindOf(err) != weir.Internal || err == nil {
		t.Errorf("Path of a damaged master: %v, want an Internal error", err)
	}
	if _, _, err := m.Path(t.Context(), weir.Master{ID: "none"}); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Path of no master: %v, want NotFound", err)
	}
	if ids := m.IDs(); len(ids) != 0 {
		t.Errorf("IDs() = %v, want none", ids)
	}
	master, _ = putMaster(t, far, "m1", 999)
	if _, done, err := m.Path(t.Context(), master); err != nil {
		t.Errorf("Path after a failure: %v", err)
	} else {
		done()
	}
}
