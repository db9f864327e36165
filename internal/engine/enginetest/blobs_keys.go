package enginetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
)

func blobsInvalidKeys(t *testing.T, b weir.Blobs) {
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", ".hidden", "a/.tmp",
		"a b", "a\x00b", "a\nb", `a\b`, "a%2e", "a~b", "ü", strings.Repeat("a/", 256) + "b", "a/" + strings.Repeat("n", 256)} {
		_, err := b.Put(t.Context(), key, strings.NewReader("x"), weir.PutOptions{})
		wantKind(t, err, weir.Invalid)
		_, err = b.Stat(t.Context(), key)
		wantKind(t, err, weir.Invalid)
		_, _, err = b.Get(t.Context(), key, 0, -1, "")
		wantKind(t, err, weir.Invalid)
		wantKind(t, b.Delete(t.Context(), key), weir.Invalid)
		_, err = b.Upload(t.Context(), key, "")
		wantKind(t, err, weir.Invalid)
	}
	if got := list(t, b, "", "", 10); len(got) != 0 {
		t.Errorf("List = %v, want nothing", keys(got))
	}
}

func blobsUnusualKeys(t *testing.T, b weir.Blobs) {
	names := []string{"a", "A", "0", "-", "_", "-rf", "a..b", "a.", "x...", "key", "tmp", "uploads", "1", "con", "nul.txt",
		strings.Repeat("n", 255), "deep/" + strings.Repeat("d/", 250) + "e",
		strings.Repeat("l", 200) + "/" + strings.Repeat("m", 200) + "/" + strings.Repeat("o", 110)}
	for _, name := range names {
		put(t, b, name, "content of "+name)
	}
	for _, name := range names {
		if got, _ := get(t, b, name, 0, -1); got != "content of "+name {
			t.Errorf("Get(%q) = %q", name, got)
		}
	}
	if got := list(t, b, "", "", 100); len(got) != len(names) {
		t.Errorf("List = %d objects, want %d: %v", len(got), len(names), keys(got))
	}
}

// blobsNestedKeys allows what S3 does (both objects are there) and what directories and MinIO do (the second is refused):
// the one that was there first stays.
func blobsNestedKeys(t *testing.T, b weir.Blobs) {
	f := func(first, second string) {
		t.Helper()
		put(t, b, first, "first")
		for _, opts := range []weir.PutOptions{{CreateOnly: true}, {}} {
			_, err := b.Put(t.Context(), second, strings.NewReader("second"), opts)
			if err != nil && weir.KindOf(err) != weir.Conflict {
				t.Errorf("Put(%q) when there is %q = %v (kind %v)", second, first, err, weir.KindOf(err))
			}
			if err == nil {
				break // the next would be an ordinary replacement
			}
			_, err = b.Stat(t.Context(), second)
			wantKind(t, err, weir.NotFound)
		}
		if got, _ := get(t, b, first, 0, -1); got != "first" {
			t.Errorf("Get(%q) = %q", first, got)
		}
		if err := errors.Join(b.Delete(t.Context(), second), b.Delete(t.Context(), first)); err != nil {
			t.Error(err)
		}
	}
	f("a", "a/b")
	f("a/b", "a")
	f("x/y", "x/y/z/w")
	f("x/y/z/w", "x/y")
	if got := list(t, b, "", "", 10); len(got) != 0 {
		t.Errorf("List = %v, want nothing", keys(got))
	}
}

// listed are keys whose byte order differs from that of a walk through directories by name.
var listed = []string{"Z", "a-b", "a-b/c", "a.b", "a/1", "a/10", "a/2", "a/b-c", "a/b.c", "a/b/c", "a/b/d/e", "a/b0", "a0", "b/c",
	"b_", "zz/y"}

func putListed(t *testing.T, b weir.Blobs) {
	t.Helper()
	for i := range listed {
		key := listed[(i*7)%len(listed)] // in another order
		if key == "a-b" {
			continue // is the beginning of a-b/c
		}
		put(t, b, key, key)
	}
}

func blobsList(t *testing.T, b weir.Blobs) {
	putListed(t, b)
	f := func(prefix, after string, limit int, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, keys(list(t, b, prefix, after, limit))); diff != "" {
			t.Errorf("List(%q, %q, %d) (-want +got):\n%s", prefix, after, limit, diff)
		}
	}
	all := append([]string{listed[0]}, listed[2:]...)
	f("", "", 100, all...)
	f("", "", 2, "Z", "a-b/c")
	f("", "", 0)
	f("a", "", 100, all[1:12]...)
	f("a/", "", 100, "a/1", "a/10", "a/2", "a/b-c", "a/b.c", "a/b/c", "a/b/d/e", "a/b0")
	f("a/b", "", 100, "a/b-c", "a/b.c", "a/b/c", "a/b/d/e", "a/b0")
	f("a/b/", "", 100, "a/b/c", "a/b/d/e")
	f("a/b/c", "", 100, "a/b/c")
	f("a/b/c/", "", 100)
	f("a/1", "", 100, "a/1", "a/10")
	f("none", "", 100)
	f("none/at/all", "", 100)
	f("", "a/b/c", 2, "a/b/d/e", "a/b0")
	f("", "a/b/cc", 1, "a/b/d/e")
	f("", "a/b", 1, "a/b-c")
	f("", "a/b/", 1, "a/b/c")
	f("", "zz/y", 100)
	f("", "zzz", 100)
	f("a/", "a-", 1, "a/1")
	f("a/", "b", 100)
	f("b", "a", 100, "b/c", "b_")
	for _, prefix := range []string{"../", ".", "/", "a//"} {
		if got, err := b.List(t.Context(), prefix, "", 10); err == nil && len(got) > 0 || err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("List(%q) = %v, %v", prefix, keys(got), err)
		}
	}
	for _, info := range list(t, b, "a/b/", "", 100) {
		if stat, err := b.Stat(t.Context(), info.Key); err != nil || stat.ETag != info.ETag || stat.Size != info.Size {
			t.Errorf("List has %+v, Stat = %+v, %v", info, stat, err)
		}
	}
}

func blobsListPages(t *testing.T, b weir.Blobs) {
	putListed(t, b)
	for _, prefix := range []string{"", "a", "a/", "a/b", "zz"} {
		want := keys(list(t, b, prefix, "", 100))
		for limit := 1; limit <= len(want)+1; limit++ {
			var got []string
			for after := ""; ; after = got[len(got)-1] {
				page := list(t, b, prefix, after, limit)
				if len(page) > limit {
					t.Fatalf("List(%q, %q, %d) = %d objects", prefix, after, limit, len(page))
				}
				if len(page) == 0 {
					break
				}
				got = append(got, keys(page)...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d of %q (-want +got):\n%s", limit, prefix, diff)
			}
		}
	}
}

func list(t *testing.T, b weir.Blobs, prefix, after string, limit int) []weir.ObjectInfo {
	t.Helper()
	infos, err := b.List(t.Context(), prefix, after, limit)
	if err != nil {
		t.Fatalf("List(%q, %q, %d) = %v", prefix, after, limit, err)
	}
	return infos
}

func keys(infos []weir.ObjectInfo) []string {
	var ks []string
	for _, i := range infos {
		ks = append(ks, i.Key)
	}
	return ks
}
