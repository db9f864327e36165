package ingest_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

// distant is Blobs that are on no disk of this machine, and note how long a put may be.
type distant struct {
	weir.Blobs
	before func() // each put
	most   int64  // bytes of the last put; -1 is unknown
}

func (d *distant) Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error) {
	d.before()
	d.most = -1
	if known, ok := r.(*io.LimitedReader); ok {
		d.most = known.N
	}
	return d.Blobs.Put(ctx, key, r, opts)
}

// A master goes to a distant store whole or not at all, which is told beforehand how long it is.
func TestMasterToDistantStore(t *testing.T) {
	var d *distant
	r := newRig(t, func(c *ingest.Config) {
		d = &distant{Blobs: c.Blobs, before: func() {}}
		c.Blobs = d
	})
	body := strings.Repeat("x", 5000)
	id := r.create(len(body), "sha256 "+b64(sumOf(body)))
	r.patch(id, 0, body)
	if info, err := d.Stat(t.Context(), weir.MasterKey(id)); err != nil || info.Size != 5000 || d.most < 5000 || d.most > 5001 {
		t.Errorf("the master is %+v, %v, and its put was told of %d bytes, want 5000", info, err, d.most)
	}
	wrong := r.create(len(body), "sha256 "+b64(sumOf(body+"y")))
	r.patch(wrong, 0, body)
	if _, err := d.Stat(t.Context(), weir.MasterKey(wrong)); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Stat of a master with another sha256 = %v, want not found", err)
	}
	longer := r.create(len(body), "filename "+b64("longer"))
	d.before = func() {
		if err := os.WriteFile(filepath.Join(r.dir, "uploads", longer), []byte(body+"and more"), 0o600); err != nil {
			t.Error(err)
		}
	}
	if a := r.patch(longer, 0, body); a.status != http.StatusInternalServerError {
		t.Errorf("PATCH of a file that grew = %d %s, want 500", a.status, a.body)
	}
	if _, err := d.Stat(t.Context(), weir.MasterKey(longer)); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Stat of a master with more bytes than announced = %v, want not found", err)
	}
}
