package origin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/origin"
	"github.com/weirstream/weir/internal/engine/embed"
)

// network is a store behind a socket.
type network struct {
	weir.Blobs
	url string
}

func (n network) Get(ctx context.Context, key string, off, length int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url, nil)
	if err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, weir.ObjectInfo{}, err
	}
	return res.Body, weir.ObjectInfo{Key: key, ETag: "1"}, nil
}

// tray is memory that is there already, as the cache's is.
type tray struct {
	b []byte
	n int
}

func (t *tray) Space() []byte { return t.b[t.n:] }
func (t *tray) Filled(n int)  { t.n += n }

// BenchmarkCopy is a part from a local disk and over a socket, as it comes (Copy) and by way of a buffer for the whole, as it was.
func BenchmarkCopy(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		content := noise(size)
		local, err := embed.OpenBlobs(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := local.Put(b.Context(), key, &reader{rest: content, ctx: b.Context(), store: newStore()}, weir.PutOptions{}); err != nil {
			b.Fatal(err)
		}
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content)
		}))
		part := origin.Part{Key: key, Length: int64(size), Sum: crc(content)}
		for _, from := range []struct {
			name  string
			blobs weir.Blobs
		}{{"disk", local}, {"socket", network{url: web.URL}}} {
			sink := &tray{b: make([]byte, size)}
			run := func(way string, copy func(*origin.Origin) error) {
				b.Run(fmt.Sprintf("%dK/%s/%s", size>>10, from.name, way), func(b *testing.B) {
					o := &origin.Origin{Blobs: from.blobs}
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						sink.n = 0
						if err := copy(o); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			run("stream", func(o *origin.Origin) error { return o.Copy(b.Context(), part, player, sink, 0, 0) })
			run("buffer", func(*origin.Origin) error {
				r, _, err := from.blobs.Get(b.Context(), key, 0, part.Length, "")
				if err != nil {
					return err
				}
				defer r.Close()
				all := make([]byte, size)
				if _, err = io.ReadFull(r, all); err == nil && crc(all) != part.Sum {
					err = io.ErrUnexpectedEOF
				}
				cache.Pour(sink, all)
				return err
			})
		}
		web.Close()
		if err := local.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
