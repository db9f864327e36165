package enginetest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

// partSize is S3's least for all parts but the last.
const partSize = 5 << 20

// blobsMultipart stores parts in any order, one of them twice.
func blobsMultipart(t *testing.T, b weir.Blobs) {
	u := startUpload(t, b, "masters/m")
	part(t, u, 3, "tail")
	part(t, u, 1, pattern(partSize, 1))
	wrong := part(t, u, 2, pattern(partSize, 9))
	if right := part(t, u, 2, pattern(partSize, 2)); right == "" || right == wrong {
		t.Errorf("ETags of the two parts 2: %q, %q", wrong, right)
	}
	if _, err := b.Stat(t.Context(), "masters/m"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Stat before Complete = %v", err)
	}
	if got := list(t, b, "", "", 10); len(got) != 0 {
		t.Errorf("List before Complete = %v", keys(got))
	}
	info, err := u.Complete(t.Context(), 3, weir.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := pattern(partSize, 1) + pattern(partSize, 2) + "tail"
	got, gotInfo := get(t, b, "masters/m", 0, -1)
	if got != want || info.Key != "masters/m" || info.Size != int64(len(want)) || info.ETag == "" || info.ETag != gotInfo.ETag {
		t.Errorf("Complete = %+v; Get = %d bytes, %+v, equal %v", info, len(got), gotInfo, got == want)
	}
	_, err = b.Upload(t.Context(), "masters/m", u.ID())
	wantKind(t, err, weir.NotFound)
}

func blobsMultipartResumed(t *testing.T, b weir.Blobs) {
	first := startUpload(t, b, "masters/m")
	etag := part(t, first, 2, "tail")
	u, err := b.Upload(t.Context(), "masters/m", first.ID())
	if err != nil {
		t.Fatal(err)
	}
	part(t, u, 1, pattern(partSize, 1))
	parts, err := u.Parts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 2}, slices.Sorted(maps.Keys(parts))); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if parts[1].Size != partSize || parts[2].Size != 4 || parts[2].ETag != etag || parts[2].Key != "" {
		t.Errorf("Parts = %+v, want ETag %q for part 2", parts, etag)
	}
	if _, err := first.Complete(t.Context(), 2, weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := get(t, b, "masters/m", partSize-2, -1); got != pattern(partSize, 1)[partSize-2:]+"tail" {
		t.Errorf("the end is %q", got)
	}
}

func blobsMultipartConditions(t *testing.T, b weir.Blobs) {
	put(t, b, "taken", "first")
	info := put(t, b, "replaced", "first")
	u := startUpload(t, b, "taken")
	part(t, u, 1, "second")
	_, err := u.Complete(t.Context(), 1, weir.PutOptions{CreateOnly: true})
	wantKind(t, err, weir.Precondition)
	if got, _ := get(t, b, "taken", 0, -1); got != "first" {
		t.Errorf("Get = %q", got)
	}
	if err := u.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	u = startUpload(t, b, "replaced")
	part(t, u, 1, "second")
	_, err = u.Complete(t.Context(), 1, weir.PutOptions{IfMatch: info.ETag + "x"})
	wantKind(t, err, weir.Precondition)
	if _, err := u.Complete(t.Context(), 1, weir.PutOptions{IfMatch: info.ETag}); err != nil {
		t.Error(err)
	}
	if got, _ := get(t, b, "replaced", 0, -1); got != "second" {
		t.Errorf("Get = %q", got)
	}
	u = startUpload(t, b, "nothing") // of one empty part
	part(t, u, 1, "")
	if _, err := u.Complete(t.Context(), 1, weir.PutOptions{CreateOnly: true}); err != nil {
		t.Error(err)
	}
	if got, _ := get(t, b, "nothing", 0, -1); got != "" {
		t.Errorf("Get = %q", got)
	}
}

// blobsMultipartRefused: what breaks S3's rules is refused, and the upload can still be put right.
func blobsMultipartRefused(t *testing.T, b weir.Blobs) {
	u := startUpload(t, b, "k")
	for _, n := range []int{0, -1, 10001} {
		_, err := u.Part(t.Context(), n, strings.NewReader("x"), 1)
		wantKind(t, err, weir.Invalid)
		_, err = u.Complete(t.Context(), n, weir.PutOptions{})
		wantKind(t, err, weir.Invalid)
	}
	for _, size := range []int64{3, 5} {
		_, err := u.Part(t.Context(), 1, strings.NewReader("four"), size)
		wantKind(t, err, weir.Invalid)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := u.Part(ctx, 1, cancelAfter(cancel, 1<<20, partSize), partSize)
	wantKind(t, err, weir.Unavailable)
	if parts, err := u.Parts(t.Context()); err != nil || len(parts) != 0 {
		t.Errorf("Parts = %v, %v, want none", parts, err)
	}
	part(t, u, 1, "small")
	part(t, u, 3, "last")
	_, err = u.Complete(t.Context(), 3, weir.PutOptions{}) // 2 is missing
	wantKind(t, err, weir.Invalid)
	part(t, u, 2, "smaller")
	_, err = u.Complete(t.Context(), 3, weir.PutOptions{}) // 1 and 2 are too small
	wantKind(t, err, weir.Invalid)
	if _, err := b.Stat(t.Context(), "k"); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Stat = %v", err)
	}
	if _, err := u.Complete(t.Context(), 1, weir.PutOptions{}); err != nil { // the first alone
		t.Error(err)
	}
	if got, _ := get(t, b, "k", 0, -1); got != "small" {
		t.Errorf("Get = %q", got)
	}
}

func blobsMultipartAborted(t *testing.T, b weir.Blobs) {
	u := startUpload(t, b, "k")
	part(t, u, 1, "x")
	for range 2 {
		if err := u.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := u.Part(t.Context(), 2, strings.NewReader("x"), 1)
	wantKind(t, err, weir.NotFound)
	_, err = u.Parts(t.Context())
	wantKind(t, err, weir.NotFound)
	_, err = u.Complete(t.Context(), 1, weir.PutOptions{})
	wantKind(t, err, weir.NotFound)
	for _, id := range []string{u.ID(), "none", "..", "../..", "a/b"} {
		_, err = b.Upload(t.Context(), "k", id)
		wantKind(t, err, weir.NotFound)
	}
	other := startUpload(t, b, "other")
	_, err = b.Upload(t.Context(), "k", other.ID()) // is of another key
	wantKind(t, err, weir.NotFound)
	if got := list(t, b, "", "", 10); len(got) != 0 {
		t.Errorf("List = %v", keys(got))
	}
}

func startUpload(t *testing.T, b weir.Blobs, key string) weir.Upload {
	t.Helper()
	u, err := b.Upload(t.Context(), key, "")
	if err != nil {
		t.Fatalf("Upload(%q) = %v", key, err)
	}
	return u
}

func part(t *testing.T, u weir.Upload, n int, content string) string {
	t.Helper()
	etag, err := u.Part(t.Context(), n, strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("Part(%d) = %v", n, err)
	}
	return etag
}
