package manifeststest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/weirstream/weir/manifests"
)

// Manifest writes the manifest that is served under a name such as "hls/main.m3u8".
type Manifest func(p manifests.Presentation, name string) ([]byte, error)

// Handler serves the presentation at the edge's paths below a revision's form: what manifest writes under hls/ and dash/,
// and init and media segments. present is asked anew for every manifest, so that a test can let it grow.
func (c *Clip) Handler(present func() manifests.Presentation, manifest Manifest) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := c.answer(present, manifest, strings.TrimPrefix(r.URL.Path, "/"))
		if b == nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b) // the client may be gone
	})
}

func (c *Clip) answer(present func() manifests.Presentation, manifest Manifest, path string) []byte {
	p := present()
	folder, name, _ := strings.Cut(path, "/")
	if folder == "hls" || folder == "dash" {
		b, err := manifest(p, path)
		if err != nil {
			return nil
		}
		return b
	}
	if init, ok := p.Init(folder, name); ok {
		return c.Objects[init.Key]
	}
	n, err := strconv.Atoi(strings.TrimSuffix(name, ".m4s"))
	if err != nil {
		return nil
	}
	span, s, ok := p.Segment(folder, n)
	if !ok {
		return nil
	}
	return c.Objects[span.Object][s.Offset : s.Offset+s.Length]
}
