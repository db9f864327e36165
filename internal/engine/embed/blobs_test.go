package embed_test

import (
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

func TestBlobs(t *testing.T) {
	enginetest.Blobs(t, func(t *testing.T) weir.Blobs { return openBlobs(t, t.TempDir()) })
}

func openBlobs(t *testing.T, dir string) *embed.Blobs {
	t.Helper()
	b, err := embed.OpenBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
