package s3_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/s3"
)

// servers are the stores that speak S3 here.
var servers = map[string]string{"minio": "WEIR_TEST_MINIO", "versitygw": "WEIR_TEST_VERSITYGW"}

// each runs test on every store.
func each(t *testing.T, test func(t *testing.T, name, address string)) {
	for name, variable := range servers {
		t.Run(name, func(t *testing.T) { test(t, name, enginetest.Address(t, variable)) })
	}
}

// open opens a place of its own in the bucket of address, with other parameters besides, and empties it in the end.
func open(t testing.TB, address string, parameters ...string) *s3.Blobs {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/test/" + weir.NewID(time.Now())
	q := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	u.RawQuery = q.Encode()
	b, err := s3.Open(t.Context(), u.String(), nil)
	if err != nil {
		t.Fatalf("Open(%q) = %v", u, err)
	}
	return b
}

func TestBlobs(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		enginetest.Blobs(t, func(t *testing.T) weir.Blobs { return open(t, address) })
	})
}
