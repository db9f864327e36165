package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir"
)

// BlobsFaults holds an engine behind a network to [weir.Blobs] while the network fails. open returns an empty store of its
// own for each test, reached through the proxy, and closes it when the test ends; name is the server's for [Control].
//
// An operation may fail then, as Unavailable, or as Timeout once its caller's deadline has passed. It may not take for
// ever, give other bytes, report a lost race that its own earlier attempt won, or leave half an object.
func BlobsFaults(t *testing.T, name string, open func(t *testing.T) (weir.Blobs, *Proxy)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, weir.Blobs, *Proxy)
	}{
		{"ResetMidRead", blobsFaultResetMidRead},
		{"CutReads", blobsFaultCutReads},
		{"SlowRead", blobsFaultSlowRead},
		{"ReplacedMidRead", blobsFaultReplacedMidRead},
		{"DeletedMidRead", blobsFaultDeletedMidRead},
		{"Refused", blobsFaultRefused},
		{"Hang", blobsFaultHang},
		{"HangMidRead", blobsFaultHangMidRead},
		{"CutAnswers", blobsFaultCutAnswers},
		{"ResetMidPut", blobsFaultResetMidPut},
		{"CutUploads", blobsFaultCutUploads},
		{"ManyResets", blobsFaultManyResets},
		{"Restart", func(t *testing.T, b weir.Blobs, _ *Proxy) { blobsFaultRestart(t, b, name) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, p := open(t)
			c.test(t, b, p)
		})
	}
}

// long is more than sockets hold of what was not read yet.
const long = 12<<20 + 5

// begin opens an object and reads its first MiB, with which no engine has all of it.
func begin(t *testing.T, ctx context.Context, b weir.Blobs, key, content string) io.ReadCloser {
	t.Helper()
	r, _, err := b.Get(ctx, key, 0, -1, "")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1<<20)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != content[:1<<20] {
		t.Fatalf("the first MiB: %v, equal %v", err, string(first) == content[:1<<20])
	}
	return r
}

func blobsFaultResetMidRead(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(long, 1)
	put(t, b, "k", content)
	r := begin(t, t.Context(), b, "k", content)
	p.Reset()
	if got := readAll(t, r); got != content[1<<20:] {
		t.Errorf("the rest is %d bytes, want %d, equal ones", len(got), long-1<<20)
	}
}

// blobsFaultCutReads cuts in headers and bodies, once and again and again, of whole objects and of ranges.
func blobsFaultCutReads(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(long, 2)
	put(t, b, "k", content)
	for _, after := range []int64{1, 100, 1000, 40_000, 3 << 20} {
		p.CutAfter(after)
		if got, _ := get(t, b, "k", 0, -1); got != content {
			t.Errorf("cut after %d bytes: Get = %d bytes, want %d, equal ones", after, len(got), long)
		}
		p.CutAfter(after)
		if got, _ := get(t, b, "k", 12_345, 3<<20); got != content[12_345:12_345+3<<20] {
			t.Errorf("cut after %d bytes: a range has %d bytes, want %d, equal ones", after, len(got), 3<<20)
		}
	}
	r := begin(t, t.Context(), b, "k", content)
	rest := make([]byte, 0, long)
	for piece := make([]byte, 2<<20); ; {
		p.CutAfter(300_000)
		n, err := io.ReadFull(r, piece)
		rest = append(rest, piece[:n]...)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(rest) != content[1<<20:] {
		t.Errorf("cut every 2 MiB: the rest is %d bytes, want %d, equal ones", len(rest), long-1<<20)
	}
}

func blobsFaultSlowRead(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(2<<20, 3)
	put(t, b, "k", content)
	p.Delay(3 * time.Millisecond)
	if got, _ := get(t, b, "k", 0, -1); got != content {
		t.Errorf("Get = %d bytes, want %d, equal ones", len(got), len(content))
	}
}

// blobsFaultReplacedMidRead: a reader never goes on in another object.
func blobsFaultReplacedMidRead(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(long, 4)
	put(t, b, "k", content)
	r := begin(t, t.Context(), b, "k", content)
	p.Reset() // before the put, because MinIO has it wait for a reader that is half done
	put(t, b, "k", pattern(long, 5))
	brokenRead(t, r, content[1<<20:], weir.Precondition)
}

func blobsFaultDeletedMidRead(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(long, 6)
	put(t, b, "k", content)
	r := begin(t, t.Context(), b, "k", content)
	p.Reset()
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	brokenRead(t, r, content[1<<20:], weir.NotFound, weir.Precondition)
}

// brokenRead reads what r still yields, which must begin rest and end with an error of one of the kinds.
func brokenRead(t *testing.T, r io.ReadCloser, rest string, kinds ...weir.Kind) {
	t.Helper()
	got, err := io.ReadAll(r)
	if !strings.HasPrefix(rest, string(got)) {
		t.Errorf("read %d bytes that are not those of the object", len(got))
	}
	wantOneKind(t, err, kinds...)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func wantOneKind(t *testing.T, err error, kinds ...weir.Kind) {
	t.Helper()
	for _, kind := range kinds {
		if err != nil && weir.KindOf(err) == kind {
			return
		}
	}
	t.Errorf("error = %v (kind %v), want a kind of %v", err, weir.KindOf(err), kinds)
}

// everything calls each operation, all at once, and wants an error of that kind of each.
func everything(t *testing.T, ctx context.Context, b weir.Blobs, u weir.Upload, kind weir.Kind) {
	t.Helper()
	var all sync.WaitGroup
	for call, f := range map[string]func() error{
		"Put": func() error {
			_, err := b.Put(ctx, "new", strings.NewReader("x"), weir.PutOptions{CreateOnly: true})
			return err
		},
		"Put of many parts": func() error {
			_, err := b.Put(ctx, "large", strings.NewReader(pattern(large, 7)), weir.PutOptions{})
			return err
		},
		"Get":          func() error { _, _, err := b.Get(ctx, "k", 0, -1, ""); return err },
		"Stat":         func() error { _, err := b.Stat(ctx, "k"); return err },
		"Delete":       func() error { return b.Delete(ctx, "other") },
		"List":         func() error { _, err := b.List(ctx, "", "", 10); return err },
		"Upload":       func() error { _, err := b.Upload(ctx, "up", ""); return err },
		"Upload of id": func() error { _, err := b.Upload(ctx, "up", u.ID()); return err },
		"Part":         func() error { _, err := u.Part(ctx, 1, strings.NewReader("part"), 4); return err },
		"Parts":        func() error { _, err := u.Parts(ctx); return err },
		"Complete":     func() error { _, err := u.Complete(ctx, 1, weir.PutOptions{}); return err },
	} {
		all.Go(func() {
			if err := f(); err == nil || weir.KindOf(err) != kind {
				t.Errorf("%s = %v (kind %v), want kind %v", call, err, weir.KindOf(err), kind)
			}
		})
	}
	all.Wait()
}

func blobsFaultRefused(t *testing.T, b weir.Blobs, p *Proxy) {
	put(t, b, "k", "v")
	u := startUpload(t, b, "up")
	p.Refuse(true)
	p.Reset()
	everything(t, t.Context(), b, u, weir.Unavailable)
	p.Heal()
	if got, _ := get(t, b, "k", 0, -1); got != "v" {
		t.Errorf("Get afterwards = %q", got)
	}
	part(t, u, 1, "part")
	if _, err := u.Complete(t.Context(), 1, weir.PutOptions{}); err != nil {
		t.Error(err)
	}
}

// blobsFaultHang: a server that says nothing holds nobody up for longer than he asked for.
func blobsFaultHang(t *testing.T, b weir.Blobs, p *Proxy) {
	put(t, b, "k", "v")
	u := startUpload(t, b, "up")
	p.Silence(true)
	late, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	everything(t, late, b, u, weir.Timeout)
	gone, goAway := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() {
		_, err := b.Stat(gone, "k")
		errs <- err
	}()
	goAway()
	wantKind(t, <-errs, weir.Unavailable)
	p.Heal()
	if got, _ := get(t, b, "k", 0, -1); got != "v" {
		t.Errorf("Get afterwards = %q", got)
	}
}

func blobsFaultHangMidRead(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(long, 8)
	put(t, b, "k", content)
	ctx, goAway := context.WithCancel(t.Context())
	defer goAway()
	r := begin(t, ctx, b, "k", content)
	p.Silence(true)
	time.AfterFunc(300*time.Millisecond, goAway) // the caller's patience, while the reader waits
	brokenRead(t, r, content[1<<20:], weir.Unavailable)
	p.Heal()
	if got, _ := get(t, b, "k", 0, -1); got != content {
		t.Errorf("Get afterwards = %d bytes", len(got))
	}
}

// outcome checks a put that met a fault: it says what became of it, and nobody else's race was lost.
func outcome(t *testing.T, b weir.Blobs, call, key, content, before string, err error) {
	t.Helper()
	if err != nil && weir.KindOf(err) != weir.Unavailable {
		t.Errorf("%s = %v (kind %v), want it done or unavailable", call, err, weir.KindOf(err))
	}
	got, _, readErr := readWhole(t, b, key)
	switch {
	case readErr == nil && got == content:
	case err != nil && before == "" && weir.KindOf(readErr) == weir.NotFound:
	case err != nil && before != "" && readErr == nil && got == before:
	default:
		t.Errorf("%s = %v, and then Get = %d bytes, %v", call, err, len(got), readErr)
	}
}

// blobsFaultCutAnswers breaks the connection in the answer to puts: they were made, and are not made twice or taken for another's.
func blobsFaultCutAnswers(t *testing.T, b weir.Blobs, p *Proxy) {
	for i, after := range []int64{1, 20, 200, 400} {
		f := func(name, content string, opts weir.PutOptions, before string) {
			t.Helper()
			key := fmt.Sprintf("%s/%d", name, i)
			if before != "" {
				opts.IfMatch = put(t, b, key, before).ETag
			}
			p.CutAfter(after)
			_, err := b.Put(t.Context(), key, strings.NewReader(content), opts)
			p.Heal()
			outcome(t, b, fmt.Sprintf("Put(%q) cut after %d bytes", key, after), key, content, before, err)
		}
		f("any", pattern(100_000, 1), weir.PutOptions{}, "")
		f("create", pattern(100_000, 2), weir.PutOptions{CreateOnly: true}, "")
		f("replace", pattern(100_000, 3), weir.PutOptions{}, "before")
		if i%2 == 0 {
			f("create-parts", pattern(large, 4), weir.PutOptions{CreateOnly: true}, "")
		} else {
			f("replace-parts", pattern(large, 5), weir.PutOptions{}, "before")
		}
	}
}

// blobsFaultResetMidPut breaks every connection each time so many bytes of the object were read.
func blobsFaultResetMidPut(t *testing.T, b weir.Blobs, p *Proxy) {
	for i, step := range []int64{3 << 20, 17 << 20, large - 1} {
		key, content, next := fmt.Sprintf("k/%d", i), pattern(large, byte(i)), step
		source := strings.NewReader(content)
		resetting := readerFunc(func(buf []byte) (int, error) {
			if read := source.Size() - int64(source.Len()); read >= next {
				p.Reset()
				next += step
			}
			return source.Read(buf)
		})
		_, err := b.Put(t.Context(), key, resetting, weir.PutOptions{CreateOnly: true})
		outcome(t, b, fmt.Sprintf("Put(%q) reset every %d bytes", key, step), key, content, "", err)
	}
}

func blobsFaultCutUploads(t *testing.T, b weir.Blobs, p *Proxy) {
	content := pattern(2*partSize+5, 9)
	for i, after := range []int64{1, 200, 400, 600} {
		key := fmt.Sprintf("k/%d", i)
		u := startUpload(t, b, key)
		for n := range 3 {
			piece := content[n*partSize : min((n+1)*partSize, len(content))]
			p.CutAfter(after)
			if _, err := u.Part(t.Context(), n+1, strings.NewReader(piece), int64(len(piece))); err != nil {
				wantKind(t, err, weir.Unavailable)
				p.Heal()
				part(t, u, n+1, piece)
			}
		}
		p.CutAfter(after)
		_, err := u.Complete(t.Context(), 3, weir.PutOptions{CreateOnly: true})
		p.Heal()
		outcome(t, b, fmt.Sprintf("Complete cut after %d bytes", after), key, content, "", err)
	}
}

// blobsFaultManyResets has all connections reset again and again under many callers.
func blobsFaultManyResets(t *testing.T, b weir.Blobs, p *Proxy) {
	var calls atomic.Int64
	race(func(i int) {
		for j := range 6 {
			if calls.Add(1)%7 == 0 {
				p.Reset()
			}
			key, content := fmt.Sprintf("k/%d/%d", i, j), pattern(300_000, byte(i*6+j))
			_, err := b.Put(t.Context(), key, strings.NewReader(content), weir.PutOptions{CreateOnly: true})
			if err == nil || weir.KindOf(err) == weir.Unavailable {
				got, _, readErr := readWhole(t, b, key)
				if readErr == nil && got == content || weir.KindOf(readErr) == weir.Unavailable || err != nil && weir.KindOf(readErr) == weir.NotFound {
					continue
				}
				t.Errorf("Get(%q) = %d bytes, %v", key, len(got), readErr)
			}
			t.Errorf("Put(%q) = %v (kind %v)", key, err, weir.KindOf(err))
		}
	})
}

// blobsFaultRestart kills the server under a reader and a writer and starts it again. What was acknowledged is there.
func blobsFaultRestart(t *testing.T, b weir.Blobs, name string) {
	content := pattern(long, 1)
	put(t, b, "read", content)
	r := begin(t, t.Context(), b, "read", content)
	var acknowledged, uncertain []string
	stop, first := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			key := fmt.Sprintf("write/%d", i)
			switch _, err := b.Put(t.Context(), key, strings.NewReader(key), weir.PutOptions{CreateOnly: true}); {
			case err == nil:
				acknowledged = append(acknowledged, key)
			case weir.KindOf(err) == weir.Unavailable:
				uncertain = append(uncertain, key)
			default:
				t.Errorf("Put(%q) = %v (kind %v)", key, err, weir.KindOf(err))
			}
			if i == 10 {
				close(first)
			}
		}
	})
	<-first
	Control(t, "kill", name)
	running.Go(func() {
		rest, err := io.ReadAll(r)
		if !strings.HasPrefix(content[1<<20:], string(rest)) || err == nil && len(rest) != long-1<<20 {
			t.Errorf("the reader yields %d bytes, %v, not those of the object", len(rest), err)
		}
		if err := errors.Join(err, r.Close()); err != nil {
			wantKind(t, err, weir.Unavailable)
		}
	})
	Control(t, "up", name)
	put(t, b, "after", "it is up again")
	close(stop)
	running.Wait()
	for _, key := range acknowledged {
		outcome(t, b, "Put", key, key, "", nil)
	}
	for _, key := range uncertain {
		outcome(t, b, "Put", key, key, "", weir.Errorf(weir.Unavailable, "unknown"))
	}
}
