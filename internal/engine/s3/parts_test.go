package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/s3"
)

// Parts are equal, at most 10,000, and hold what S3 holds at most.
func TestPartSizes(t *testing.T) {
	const mib, tib = 1 << 20, 1 << 40
	f := func(r io.Reader, want int64) {
		t.Helper()
		if got := s3.PartSizeFor(r); got != want {
			t.Errorf("PartSizeFor(%T) = %d, want %d", r, got, want)
		}
	}
	f(strings.NewReader("x"), 16*mib)
	f(io.MultiReader(), 16*mib)
	f(io.LimitReader(nil, 156*1000*mib), 16*mib)
	f(io.LimitReader(nil, 10_000*16*mib), 16*mib)
	f(io.LimitReader(nil, 10_000*16*mib+1), 17*mib)
	f(io.LimitReader(nil, 5*tib), 525*mib)
	name := filepath.Join(t.TempDir(), "sparse")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := file.Truncate(1 * tib); err != nil {
		t.Skip("no file of 1 TiB here: ", err)
	}
	f(file, 105*mib)
	if _, err := file.Seek(-5, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	f(file, 16*mib)
}

// A part beyond what is held in memory goes over the local disk.
func TestHugePart(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		b := open(t, address)
		u, err := b.Upload(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		content := strings.Repeat("0123456789abcdef", 65<<16)
		if _, err := u.Part(t.Context(), 1, io.MultiReader(strings.NewReader(content)), int64(len(content))); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Part(t.Context(), 2, strings.NewReader(content[:len(content)-1]), int64(len(content))); weir.KindOf(err) != weir.Invalid {
			t.Errorf("Part with a byte too few = %v (kind %v), want invalid", err, weir.KindOf(err))
		}
		if _, err := u.Complete(t.Context(), 1, weir.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		wantContent(t, b, "k", content)
	})
}

// S3 lists 1,000 at a time.
func TestPages(t *testing.T) {
	const n = 1003
	each(t, func(t *testing.T, _, address string) {
		b := open(t, address)
		u, err := b.Upload(t.Context(), "upload", "")
		if err != nil {
			t.Fatal(err)
		}
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(16)
		for i := range n {
			g.Go(func() error {
				_, err := b.Put(ctx, fmt.Sprintf("k/%04d", i), strings.NewReader("x"), weir.PutOptions{})
				if err == nil {
					_, err = u.Part(ctx, i+1, strings.NewReader("y"), 1)
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		infos, err := b.List(t.Context(), "k/", "", 2*n)
		if err != nil || len(infos) != n || infos[0].Key != "k/0000" || infos[n-1].Key != fmt.Sprintf("k/%04d", n-1) {
			t.Errorf("List = %d objects, %v, want %d in order", len(infos), err, n)
		}
		if infos, err = b.List(t.Context(), "", "k/0001", 1001); err != nil || len(infos) != 1001 || infos[1000].Key != "k/1002" {
			t.Errorf("List of 1001 = %d objects, %v", len(infos), err)
		}
		parts, err := u.Parts(t.Context())
		if err != nil || len(parts) != n || parts[n].Size != 1 {
			t.Errorf("Parts = %d, %v, want %d", len(parts), err, n)
		}
		if err := u.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Names that others put into the bucket and that are no keys are passed over, a page of nothing else, too.
func TestForeignNames(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		b := open(t, address)
		client, bucket := client(t, address)
		for _, key := range []string{"a b", "b", "c~d"} {
			_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: aws.String(b.Name(key)), Body: strings.NewReader("x")})
			if err != nil {
				t.Fatal(err)
			}
		}
		infos, err := b.List(t.Context(), "", "", 1)
		if err != nil || len(infos) != 1 || infos[0].Key != "b" {
			t.Errorf("List = %+v, %v, want b alone", infos, err)
		}
		for _, key := range []string{"a b", "c~d"} {
			if _, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(b.Name(key))}); err != nil {
				t.Error(err)
			}
		}
	})
}

// A page may be empty although there is more.
func TestEmptyPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("continuation-token") == "further" {
			_, _ = w.Write([]byte("<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>"))
			return
		}
		_, _ = w.Write([]byte("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>further</NextContinuationToken></ListBucketResult>"))
	}))
	t.Cleanup(server.Close)
	b, err := s3.Open(t.Context(), "s3://id:secret@bucket?path-style=true&endpoint="+server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if infos, err := b.List(t.Context(), "", "", 10); err != nil || len(infos) != 1 || infos[0].Key != "k" {
		t.Errorf("List = %+v, %v, want k", infos, err)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes */10")
	f.Fuzz(func(t *testing.T, s string) {
		if first, total, ok := s3.ContentRange(s); ok && !strings.Contains(s, "/") {
			t.Errorf("ContentRange(%q) = %d, %d", s, first, total)
		}
	})
}

func FuzzRefusal(f *testing.F) {
	f.Add("<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
	f.Add("<html>502 Bad Gateway</html>")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s3.Refusal(strings.NewReader(text)); err != nil {
			t.Errorf("Refusal(%q) = %v", text, err)
		}
	})
}
