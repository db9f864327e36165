package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/weirstream/weir"
)

// large is more than an engine may be expected to hold in one piece: those that send objects in parts send several.
const large = 33<<20 + 7

func blobsLargeObject(t *testing.T, b weir.Blobs) {
	content := pattern(large, 1)
	info := put(t, b, "large", content)
	if got, gotInfo := get(t, b, "large", 0, -1); got != content || gotInfo.Size != large || gotInfo.ETag != info.ETag {
		t.Errorf("Get = %d bytes, info %+v, want the %d put, %+v", len(got), gotInfo, large, info)
	}
	if got, _ := get(t, b, "large", 15<<20, 3<<20); got != content[15<<20:18<<20] {
		t.Error("a range of it differs")
	}
}

// blobsLargeFails: a reader that fails, or a caller who goes, after most of the bytes leaves what was there.
func blobsLargeFails(t *testing.T, b weir.Blobs) {
	put(t, b, "old", "whole")
	cause := errors.New("the sender went away")
	for _, key := range []string{"old", "new"} {
		_, err := b.Put(t.Context(), key, io.MultiReader(strings.NewReader(pattern(large, 2)), iotest.ErrReader(cause)), weir.PutOptions{})
		if !errors.Is(err, cause) {
			t.Errorf("Put = %v, want it to wrap %v", err, cause)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = b.Put(ctx, key, cancelAfter(cancel, large-1, large), weir.PutOptions{})
		wantKind(t, err, weir.Unavailable)
		cancel()
	}
	_, err := b.Stat(t.Context(), "new")
	wantKind(t, err, weir.NotFound)
	if got, _ := get(t, b, "old", 0, -1); got != "whole" {
		t.Errorf("Get = %d bytes, want the old object", len(got))
	}
}

func blobsLargeConditions(t *testing.T, b weir.Blobs) {
	content := pattern(large, 3)
	f := func(key string, opts weir.PutOptions) (weir.ObjectInfo, error) {
		return b.Put(t.Context(), key, strings.NewReader(content), opts)
	}
	small := put(t, b, "k", "small")
	_, err := f("k", weir.PutOptions{CreateOnly: true})
	wantKind(t, err, weir.Precondition)
	_, err = f("k", weir.PutOptions{IfMatch: small.ETag + "x"})
	wantKind(t, err, weir.Precondition)
	_, err = f("none", weir.PutOptions{IfMatch: small.ETag})
	wantKind(t, err, weir.Precondition)
	if got, _ := get(t, b, "k", 0, -1); got != "small" {
		t.Errorf("Get = %d bytes, want the small object", len(got))
	}
	if _, err = f("k", weir.PutOptions{IfMatch: small.ETag}); err != nil {
		t.Error(err)
	}
	if _, err = f("new", weir.PutOptions{CreateOnly: true}); err != nil {
		t.Error(err)
	}
	if got := keys(list(t, b, "", "", 10)); len(got) != 2 {
		t.Errorf("List = %v, want k and new", got)
	}
}

// blobsReaderContext: who stops waiting is not held up by a read that is half done.
func blobsReaderContext(t *testing.T, b weir.Blobs) {
	put(t, b, "k", pattern(large, 4))
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := b.Get(ctx, "k", 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	cancel()
	_, err = io.Copy(io.Discard, r)
	wantKind(t, err, weir.Unavailable)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// blobsManyAtOnce: objects and ranges of one of them, each read and written by somebody else at the same time.
func blobsManyAtOnce(t *testing.T, b weir.Blobs) {
	shared := pattern(3<<20, 5)
	put(t, b, "shared", shared)
	race(func(i int) {
		key, content := fmt.Sprintf("own/%d", i), pattern(500_000+i, byte(i))
		info, err := b.Put(t.Context(), key, strings.NewReader(content), weir.PutOptions{CreateOnly: true})
		if err != nil {
			t.Error(err)
			return
		}
		if got, gotInfo, err := readWhole(t, b, key); err != nil || got != content || gotInfo.ETag != info.ETag {
			t.Errorf("Get(%q) = %d bytes, %+v, %v", key, len(got), gotInfo, err)
		}
		off := int64(i) * 150_000
		r, _, err := b.Get(t.Context(), "shared", off, 100_000, "")
		if err != nil {
			t.Error(err)
			return
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != shared[off:off+100_000] {
			t.Errorf("range from %d: %d bytes, %v", off, len(got), err)
		}
		if err := b.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	})
	if got := keys(list(t, b, "", "", 100)); len(got) != 1 {
		t.Errorf("List = %v, want shared alone", got)
	}
}

// blobsPartsAtOnce sends parts side by side, as browsers do, and has the upload completed by several at once.
func blobsPartsAtOnce(t *testing.T, b weir.Blobs) {
	u := startUpload(t, b, "k")
	var sending sync.WaitGroup
	var want strings.Builder
	for n := 1; n <= 4; n++ {
		content := pattern(partSize, byte(n))
		want.WriteString(content)
		sending.Go(func() {
			if _, err := u.Part(t.Context(), n, strings.NewReader(content), partSize); err != nil {
				t.Errorf("Part(%d) = %v", n, err)
			}
		})
	}
	sending.Wait()
	errs := make([]error, 4)
	for i := range errs {
		sending.Go(func() { _, errs[i] = u.Complete(t.Context(), 4, weir.PutOptions{CreateOnly: true}) })
	}
	sending.Wait()
	won := 0
	for i, err := range errs {
		switch kind := weir.KindOf(err); {
		case err == nil:
			won++
		case kind == weir.Invalid: // versitygw takes the parts away one by one while it joins them
		case kind != weir.NotFound && kind != weir.Precondition && kind != weir.Unavailable:
			t.Errorf("Complete by %s = %v (kind %v)", strconv.Itoa(i), err, kind)
		}
	}
	if got, _ := get(t, b, "k", 0, -1); won == 0 || got != want.String() {
		t.Errorf("%d of %d completed it; Get = %d bytes, equal %v", won, len(errs), len(got), got == want.String())
	}
}
