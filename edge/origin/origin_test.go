package origin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/internal/engine/embed"
)

const key = "media/default/a/r/0-0123456789abcdef.cmf"

var object = bytes.Repeat([]byte("0123456789"), 100)

// flaky breaks reads of the real engine. Each Get takes the next of its plans; when they are used up it does as told.
type flaky struct {
	weir.Blobs
	plans []func(r io.Reader) io.Reader
	gets  []int64 // the offsets asked for
}

func (f *flaky) Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	f.gets = append(f.gets, off)
	r, info, err := f.Blobs.Get(ctx, key, off, n, ifMatch)
	if err != nil || len(f.plans) == 0 {
		return r, info, err
	}
	plan := f.plans[0]
	f.plans = f.plans[1:]
	return struct {
		io.Reader
		io.Closer
	}{plan(r), r}, info, nil
}

func breakAfter(n int64) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, n), iotest.ErrReader(errors.New("connection reset")))
	}
}

func endAfter(n int64) func(io.Reader) io.Reader {
	return func(r io.Reader) io.Reader { return io.LimitReader(r, n) }
}

func flip(r io.Reader) io.Reader {
	b, _ := io.ReadAll(r)
	b[len(b)/2] ^= 1
	return bytes.NewReader(b)
}

func open(t *testing.T, plans ...func(io.Reader) io.Reader) (*origin.Origin, *flaky) {
	t.Helper()
	blobs, err := embed.OpenBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	put(t, blobs, key, object)
	f := &flaky{Blobs: blobs, plans: plans}
	return &origin.Origin{Blobs: f}, f
}

func put(t *testing.T, blobs weir.Blobs, key string, b []byte) {
	t.Helper()
	if _, err := blobs.Put(t.Context(), key, bytes.NewReader(b), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// copied is what Copy makes of a part.
func copied(ctx context.Context, o *origin.Origin, p origin.Part) ([]byte, error) {
	sink := &tub{size: int(p.Length)}
	err := o.Copy(ctx, p, player, sink, 0, 0)
	return sink.bytes, err
}

func TestSmallPart(t *testing.T) {
	want := object[105:305]
	part := origin.Part{Key: key, Off: 105, Length: 200, Sum: crc(want)}
	f := func(name string, wantGets int, wantResumed, wantDamaged int64, wantKind weir.Kind, plans ...func(io.Reader) io.Reader) {
		t.Helper()
		o, blobs := open(t, plans...)
		got, err := copied(t.Context(), o, part)
		if wantKind == weir.Internal && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%s: Copy = %q, %v, want %q", name, got, err, want)
		}
		if wantKind != weir.Internal && (got != nil || weir.KindOf(err) != wantKind) {
			t.Errorf("%s: Copy = %q, %v, want kind %v", name, got, err, wantKind)
		}
		c := o.Counts()
		if len(blobs.gets) != wantGets || c.Resumed != wantResumed || c.Damaged != wantDamaged {
			t.Errorf("%s: reads at %v, %+v, want %d, %d, %d", name, blobs.gets, c, wantGets, wantResumed, wantDamaged)
		}
	}
	const good = weir.Internal // the zero kind stands for no error here
	f("plain", 1, 0, 0, good)
	f("reset and short", 3, 2, 0, good, breakAfter(50), endAfter(70))
	f("reset at once", 2, 1, 0, good, breakAfter(0))
	f("always broken", 4, 3, 0, weir.Unavailable, endAfter(0), breakAfter(0), endAfter(0), endAfter(0))
	f("a byte a read", 6, 5, 0, good, endAfter(1), endAfter(1), endAfter(1), endAfter(1), endAfter(1))
	f("damaged once", 2, 0, 1, good, flip)
	f("damaged always", 2, 0, 2, weir.Unavailable, flip, flip)
}

func TestPartPastTheEndAndMissing(t *testing.T) {
	o, _ := open(t)
	f := func(p origin.Part, have int64, want weir.Kind) {
		t.Helper()
		if err := o.Copy(t.Context(), p, player, &tub{size: 1 << 20}, have, 0); err == nil || weir.KindOf(err) != want {
			t.Errorf("Copy(%+v, %d) = %v, want %v", p, have, err, want)
		}
	}
	f(origin.Part{Key: key, Off: 900, Length: 200}, 0, weir.BadRange)
	f(origin.Part{Key: key, Off: 900, Length: 100_000}, 0, weir.BadRange)
	f(origin.Part{Key: key, Off: 2000, Length: 100_000}, 0, weir.BadRange)
	f(origin.Part{Key: key + "x", Length: 10}, 0, weir.NotFound)
	f(origin.Part{Key: key, Length: -1}, 0, weir.Internal)
	f(origin.Part{Key: key, Length: 10}, 11, weir.Internal)
	f(origin.Part{Key: key, Length: 10}, -1, weir.Internal)
}

func TestDeadlineEndsRetries(t *testing.T) {
	o, blobs := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	blobs.plans = append(blobs.plans, func(r io.Reader) io.Reader { cancel(); return breakAfter(1)(r) })
	if _, err := copied(ctx, o, origin.Part{Key: key, Length: 10}); err == nil || len(blobs.gets) != 1 {
		t.Errorf("Copy under a cancelled context = %v after %d reads, want one read", err, len(blobs.gets))
	}
}

func TestHeadIsReadOnlyWhenItChanged(t *testing.T) {
	o, blobs := open(t)
	h := weir.Head{Version: 1, Organisation: "default", Asset: "a", Revision: 2, State: weir.Growing,
		FirstSegment: 1, TargetDuration: 4, Duration: weir.Rational{Num: 8, Den: 1}}
	write := func() {
		b, err := weir.EncodeHead(h)
		if err != nil {
			t.Fatal(err)
		}
		put(t, blobs.Blobs, weir.HeadKey("default", "a", 2), b)
	}
	if _, _, err := o.Head(t.Context(), "default", "a", 2, ""); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Head of nothing = %v, want not-found", err)
	}
	write()
	got, etag, err := o.Head(t.Context(), "default", "a", 2, "")
	if err != nil || etag == "" || got.TargetDuration != 4 {
		t.Fatalf("Head = %+v, %q, %v", got, etag, err)
	}
	reads := len(blobs.gets)
	if _, again, err := o.Head(t.Context(), "default", "a", 2, etag); err != nil || again != etag || len(blobs.gets) != reads {
		t.Errorf("Head of a known ETag = %q, %v and %d reads", again, err, len(blobs.gets)-reads)
	}
	h.State = weir.Complete
	write()
	if got, again, err := o.Head(t.Context(), "default", "a", 2, etag); err != nil || again == etag || got.State != weir.Complete {
		t.Errorf("Head after a change = %+v, %q, %v", got, again, err)
	}
	h.Asset = "b"
	write()
	if _, _, err := o.Head(t.Context(), "default", "a", 2, etag); err == nil {
		t.Errorf("Head of another asset under this key: no error")
	}
}

func TestInitStillPage(t *testing.T) {
	o, blobs := open(t, flip)
	if b, err := o.Init(t.Context(), key, crc(object)); err != nil || !bytes.Equal(b, object) {
		t.Errorf("Init after one damaged read = %d bytes, %v", len(b), err)
	}
	if _, err := o.Init(t.Context(), key, 1); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Init with a wrong checksum = %v, want unavailable", err)
	}
	put(t, blobs.Blobs, "big", make([]byte, origin.MaxInitBytes+1))
	if _, err := o.Init(t.Context(), "big", 1); weir.KindOf(err) != weir.Invalid {
		t.Errorf("Init of too many bytes = %v, want invalid", err)
	}
	sum := sha256.Sum256(object)
	still := weir.StillKey("default", "a", hex.EncodeToString(sum[:]))
	put(t, blobs.Blobs, still, object)
	if b, err := copied(t.Context(), o, origin.Part{Key: still, Length: int64(len(object)), Still: true}); err != nil || !bytes.Equal(b, object) {
		t.Errorf("Copy of a still = %d bytes, %v", len(b), err)
	}
	other := weir.StillKey("default", "a", "00112233445566778899")
	put(t, blobs.Blobs, other, object)
	if _, err := copied(t.Context(), o, origin.Part{Key: other, Length: int64(len(object)), Still: true}); weir.KindOf(err) != weir.Unavailable {
		t.Errorf("Copy of a still under another's name = %v, want unavailable", err)
	}
	put(t, blobs.Blobs, "page.json", []byte(`{"version":1,"object":"o","init":"i","length":3,"first":1,"segments":[{"length":3,"duration":4}]}`))
	if p, err := o.Page(t.Context(), "page.json"); err != nil || len(p.Segments) != 1 {
		t.Errorf("Page = %+v, %v", p, err)
	}
	if _, err := o.Page(t.Context(), still); err == nil {
		t.Errorf("Page of a picture: no error")
	}
}
