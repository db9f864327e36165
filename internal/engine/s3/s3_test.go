package s3_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/s3"
)

// servers are the stores that speak S3 here, by their names in scripts/engines.
var servers = map[string]string{"minio": "WEIR_TEST_MINIO", "versitygw": "WEIR_TEST_VERSITYGW"}

var titles = map[string]string{"minio": "MinIO", "versitygw": "versitygw"}

// each runs test on every store, on all at once.
func each(t *testing.T, test func(t *testing.T, name, address string)) {
	for name, variable := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, enginetest.Address(t, variable))
		})
	}
}

// open opens a place of its own in the bucket of address, with other parameters, and empties it when the test ends.
func open(t testing.TB, address string, parameters ...string) *s3.Blobs {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/test/" + weir.NewID(time.Now())
	direct := u.String()
	q := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	u.RawQuery = q.Encode()
	b, err := s3.Open(t.Context(), u.String(), nil)
	if err != nil {
		t.Fatalf("Open(%q) = %v", u, err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		empty(t, direct)
	})
	return b
}

func empty(t testing.TB, address string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	b, err := s3.Open(ctx, address, nil)
	if err != nil {
		t.Error(err)
		return
	}
	infos, err := b.List(ctx, "", "", 10_000)
	if err != nil {
		t.Error(err)
	}
	for _, info := range infos {
		if err := b.Delete(ctx, info.Key); err != nil {
			t.Error(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// throughProxy opens the store behind a proxy.
func throughProxy(t *testing.T, address string, parameters ...string) (*s3.Blobs, *enginetest.Proxy) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	p := enginetest.NewProxy(t, endpoint.Host)
	return open(t, address, append(parameters, "endpoint", "http://"+p.Addr())...), p
}

func TestBlobs(t *testing.T) {
	each(t, func(t *testing.T, name, address string) {
		enginetest.Report(t, enginetest.Pass{Port: "Blobs", Engine: titles[name], Version: version(t, name), Client: "aws-sdk-go-v2"})
		enginetest.Blobs(t, func(t *testing.T) weir.Blobs { return open(t, address) })
		t.Run("Faults", func(t *testing.T) {
			enginetest.BlobsFaults(t, name, func(t *testing.T) (weir.Blobs, *enginetest.Proxy) { return throughProxy(t, address) })
		})
	})
}

// version is what runs: neither server tells anybody.
func version(t *testing.T, name string) string {
	script := os.Getenv("WEIR_ENGINES")
	if script == "" {
		return "unknown"
	}
	out, err := exec.CommandContext(t.Context(), script, "version", name).Output()
	if err != nil {
		t.Fatalf("%s version %s: %v", script, name, err)
	}
	return strings.TrimSpace(string(out))
}
