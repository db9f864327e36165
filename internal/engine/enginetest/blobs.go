package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// Blobs holds an engine to the contract of [weir.Blobs]. open returns an empty store of its own for each test and closes
// it when the test ends.
func Blobs(t *testing.T, open func(t *testing.T) weir.Blobs) {
	for _, c := range []struct {
		name string
		test func(*testing.T, weir.Blobs)
	}{
		{"PutAndGet", blobsPutAndGet},
		{"Ranges", blobsRanges},
		{"EmptyObject", blobsEmptyObject},
		{"LargeObject", blobsLargeObject},
		{"LargeFails", blobsLargeFails},
		{"LargeConditions", blobsLargeConditions},
		{"ReaderContext", blobsReaderContext},
		{"ManyAtOnce", blobsManyAtOnce},
		{"Replace", blobsReplace},
		{"Delete", blobsDelete},
		{"Missing", blobsMissing},
		{"InvalidKeys", blobsInvalidKeys},
		{"UnusualKeys", blobsUnusualKeys},
		{"NestedKeys", blobsNestedKeys},
		{"FailingReader", blobsFailingReader},
		{"Context", blobsContext},
		{"CancelDuringPut", blobsCancelDuringPut},
		{"Conditions", blobsConditions},
		{"CreateOnlyRace", blobsCreateOnlyRace},
		{"IfMatchChain", blobsIfMatchChain},
		{"ReadersSeeWholeObjects", blobsReadersSeeWholeObjects},
		{"List", blobsList},
		{"ListPages", blobsListPages},
		{"Multipart", blobsMultipart},
		{"MultipartPartsAtOnce", blobsPartsAtOnce},
		{"MultipartResumed", blobsMultipartResumed},
		{"MultipartConditions", blobsMultipartConditions},
		{"MultipartRefused", blobsMultipartRefused},
		{"MultipartAborted", blobsMultipartAborted},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func blobsPutAndGet(t *testing.T, b weir.Blobs) {
	before := time.Now().Add(-time.Hour) // clocks of stores differ
	info := put(t, b, "media/a/1.cmf", "hello")
	if info.Key != "media/a/1.cmf" || info.Size != 5 || info.ETag == "" || strings.Contains(info.ETag, `"`) || info.Modified.Before(before) {
		t.Errorf("Put = %+v", info)
	}
	stat, err := b.Stat(t.Context(), "media/a/1.cmf")
	if err != nil {
		t.Fatal(err)
	}
	got, gotInfo := get(t, b, "media/a/1.cmf", 0, -1)
	if got != "hello" {
		t.Errorf("Get = %q, want %q", got, "hello")
	}
	for name, i := range map[string]weir.ObjectInfo{"Stat": stat, "Get": gotInfo} {
		if i.Key != info.Key || i.Size != info.Size || i.ETag != info.ETag {
			t.Errorf("%s = %+v, want that of Put, %+v", name, i, info)
		}
	}
}

func blobsRanges(t *testing.T, b weir.Blobs) {
	info := put(t, b, "k", "0123456789")
	f := func(off, n int64, want string) {
		t.Helper()
		if got, _ := get(t, b, "k", off, n); got != want {
			t.Errorf("Get(%d, %d) = %q, want %q", off, n, got, want)
		}
	}
	f(0, -1, "0123456789")
	f(0, 10, "0123456789")
	f(0, 1, "0")
	f(3, 4, "3456")
	f(9, 1, "9")
	f(7, -1, "789")
	f(7, 1<<40, "789") // ends past the object: cut
	f(9, 1<<62, "9")
	f(4, 0, "")
	for _, off := range []int64{10, 11, 1 << 40, -1} {
		_, _, err := b.Get(t.Context(), "k", off, 1, "")
		wantKind(t, err, weir.BadRange)
	}
	r, _, err := b.Get(t.Context(), "k", 2, 3, info.ETag)
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r); got != "234" {
		t.Errorf("Get(2, 3, its ETag) = %q", got)
	}
	_, _, err = b.Get(t.Context(), "k", 2, 3, info.ETag+"x")
	wantKind(t, err, weir.Precondition)
}

func blobsEmptyObject(t *testing.T, b weir.Blobs) {
	if info := put(t, b, "empty", ""); info.Size != 0 || info.ETag == "" {
		t.Errorf("Put = %+v", info)
	}
	for _, n := range []int64{-1, 0, 10} {
		if got, info := get(t, b, "empty", 0, n); got != "" || info.Size != 0 {
			t.Errorf("Get(0, %d) = %q, %+v", n, got, info)
		}
	}
	_, _, err := b.Get(t.Context(), "empty", 1, -1, "")
	wantKind(t, err, weir.BadRange)
}

func blobsReplace(t *testing.T, b weir.Blobs) {
	etags := map[string]string{}
	for _, content := range []string{"one", "two", "3", ""} {
		info := put(t, b, "k", content)
		if other, ok := etags[info.ETag]; ok {
			t.Errorf("ETag %q of %q was that of %q", info.ETag, content, other)
		}
		etags[info.ETag] = content
		if got, _ := get(t, b, "k", 0, -1); got != content {
			t.Errorf("Get = %q, want %q", got, content)
		}
	}
}

func blobsDelete(t *testing.T, b weir.Blobs) {
	put(t, b, "dir/a", "1")
	put(t, b, "dir/b", "2")
	for range 2 { // the second time it is missing, which is no error
		if err := b.Delete(t.Context(), "dir/a"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Stat(t.Context(), "dir/a")
	wantKind(t, err, weir.NotFound)
	if got, _ := get(t, b, "dir/b", 0, -1); got != "2" {
		t.Errorf("its neighbour is %q", got)
	}
	if err := b.Delete(t.Context(), "dir"); err != nil { // no object
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "dir/b/c"); err != nil {
		t.Fatal(err)
	}
	if got, _ := get(t, b, "dir/b", 0, -1); got != "2" {
		t.Errorf("its neighbour is %q", got)
	}
	if err := b.Delete(t.Context(), "dir/b"); err != nil {
		t.Fatal(err)
	}
	put(t, b, "dir", "a key that was the beginning of others")
}

func blobsMissing(t *testing.T, b weir.Blobs) {
	put(t, b, "dir/a", "1")
	for _, key := range []string{"dir", "dir/a/b", "dir/b", "other/a", "DIR/a"} {
		_, err := b.Stat(t.Context(), key)
		wantKind(t, err, weir.NotFound)
		_, _, err = b.Get(t.Context(), key, 0, -1, "")
		wantKind(t, err, weir.NotFound)
	}
}

func blobsFailingReader(t *testing.T, b weir.Blobs) {
	cause := errors.New("the sender went away")
	broken := func() io.Reader { return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cause)) }
	_, err := b.Put(t.Context(), "new", broken(), weir.PutOptions{})
	if !errors.Is(err, cause) {
		t.Errorf("Put = %v, want it to wrap %v", err, cause)
	}
	_, err = b.Stat(t.Context(), "new")
	wantKind(t, err, weir.NotFound)
	put(t, b, "old", "whole")
	if _, err := b.Put(t.Context(), "old", broken(), weir.PutOptions{}); err == nil {
		t.Error("Put of a failing reader = nil")
	}
	if got, _ := get(t, b, "old", 0, -1); got != "whole" {
		t.Errorf("Get = %q, want the old object", got)
	}
}

func blobsContext(t *testing.T, b weir.Blobs) {
	put(t, b, "k", "v")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for ctx, kind := range map[context.Context]weir.Kind{cancelled: weir.Unavailable, late: weir.Timeout} {
		_, err := b.Put(ctx, "new", strings.NewReader("x"), weir.PutOptions{})
		wantKind(t, err, kind)
		_, err = b.Stat(ctx, "k")
		wantKind(t, err, kind)
		_, _, err = b.Get(ctx, "k", 0, -1, "")
		wantKind(t, err, kind)
		_, err = b.List(ctx, "", "", 10)
		wantKind(t, err, kind)
		wantKind(t, b.Delete(ctx, "k"), kind)
		_, err = b.Upload(ctx, "k", "")
		wantKind(t, err, kind)
	}
	if diff := cmp.Diff([]string{"k"}, keys(list(t, b, "", "", 10))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func blobsCancelDuringPut(t *testing.T, b weir.Blobs) {
	put(t, b, "old", "whole")
	for _, key := range []string{"old", "new"} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := b.Put(ctx, key, cancelAfter(cancel, 1<<20, 8<<20), weir.PutOptions{})
		wantKind(t, err, weir.Unavailable)
		cancel()
	}
	if diff := cmp.Diff([]string{"old"}, keys(list(t, b, "", "", 10))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got, _ := get(t, b, "old", 0, -1); got != "whole" {
		t.Errorf("Get = %d bytes, want the old object", len(got))
	}
}

// cancelAfter yields size bytes and calls cancel once after of them are read.
func cancelAfter(cancel func(), after, size int64) io.Reader {
	zeros := iotest.DataErrReader(bytes.NewReader(make([]byte, size)))
	return io.MultiReader(io.LimitReader(zeros, after), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, io.EOF
	}), zeros)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// put stores content or ends the test.
func put(t *testing.T, b weir.Blobs, key, content string) weir.ObjectInfo {
	t.Helper()
	info, err := b.Put(t.Context(), key, strings.NewReader(content), weir.PutOptions{})
	if err != nil {
		t.Fatalf("Put(%q) = %v", key, err)
	}
	return info
}

// get reads a range or ends the test.
func get(t *testing.T, b weir.Blobs, key string, off, n int64) (string, weir.ObjectInfo) {
	t.Helper()
	r, info, err := b.Get(t.Context(), key, off, n, "")
	if err != nil {
		t.Fatalf("Get(%q, %d, %d) = %v", key, off, n, err)
	}
	return readAll(t, r), info
}

func readAll(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read object: %v", err)
	}
	return string(content)
}

func wantKind(t *testing.T, err error, want weir.Kind) {
	t.Helper()
	if err == nil || weir.KindOf(err) != want {
		t.Errorf("error = %v (kind %v), want kind %v", err, weir.KindOf(err), want)
	}
}

// pattern is n bytes that differ by seed and by place, so that mixed or shifted content shows.
func pattern(n int, seed byte) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*31 ^ byte(i>>16)*17 ^ seed
	}
	return string(b)
}
