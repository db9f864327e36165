package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

// BenchmarkRead reads through the adapter, and the same bytes with net/http alone from URLs signed beforehand.
func BenchmarkRead(b *testing.B) {
	for name, variable := range servers {
		b.Run(name, func(b *testing.B) {
			address := enginetest.Address(b, variable)
			for _, size := range []int64{64 << 10, 1 << 20, 16 << 20} {
				b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchmarkRead(b, address, size) })
			}
		})
	}
}

func benchmarkRead(b *testing.B, address string, size int64) {
	store := open(b, address)
	const key = "bench/object"
	if _, err := store.Put(b.Context(), key, bytes.NewReader(make([]byte, 2*size)), weir.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Delete(b.Context(), key) }()
	adapter := func(off, n int64) error {
		r, _, err := store.Get(b.Context(), key, off, n, "")
		if err != nil {
			return err
		}
		got, err := io.Copy(io.Discard, r)
		return errors.Join(err, r.Close(), length(got, n))
	}
	signed := presign(b, address, store.Name(key))
	raw := func(off, n int64) error {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, signed, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		got, err := io.Copy(io.Discard, answer.Body)
		return errors.Join(err, answer.Body.Close(), length(got, n))
	}
	for name, off := range map[string]int64{"range": size, "whole": 0} {
		b.Run(name, func(b *testing.B) { alternate(b, adapter, raw, off, 2*size-off) })
	}
}

// alternate reads by either way in turn and reports the rate of each: whatever else the machine does befalls both.
func alternate(b *testing.B, adapter, raw func(off, n int64) error, off, n int64) {
	var took [2]time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for j := range took {
			way, read := (i+j)%2, adapter
			if way == 1 {
				read = raw
			}
			start := time.Now()
			if err := read(off, n); err != nil {
				b.Fatal(err)
			}
			took[way] += time.Since(start)
		}
	}
	rate := func(d time.Duration) float64 { return float64(n) * float64(b.N) / 1e6 / d.Seconds() }
	b.ReportMetric(rate(took[0]), "adapter-MB/s")
	b.ReportMetric(rate(took[1]), "raw-MB/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "adapter/raw")
}

func length(got, want int64) error {
	if got != want {
		return fmt.Errorf("read %d bytes, want %d", got, want)
	}
	return nil
}

// client is the SDK's own, for what the adapter does not do, and the bucket.
func client(t testing.TB, address string) (*awss3.Client, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return awss3.New(awss3.Options{Region: "us-east-1", UsePathStyle: true, BaseEndpoint: aws.String(u.Query().Get("endpoint")),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")}), u.Host
}

// presign is a URL that anybody may read the object at.
func presign(b *testing.B, address, name string) string {
	b.Helper()
	client, bucket := client(b, address)
	request, err := awss3.NewPresignClient(client).PresignGetObject(b.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: &name}, awss3.WithPresignExpires(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	return request.URL
}
