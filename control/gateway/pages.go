package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

const (
	indexFile = "index.html"
	hashedDir = "assets/" // names below it change with their bytes
)

// pages are the built files, held in memory.
type pages struct {
	files  map[string]page
	policy string // Content-Security-Policy
}

type page struct {
	body []byte
	etag string
	kind string // Content-Type
}

// readPages takes in a tree of built pages. None, or an empty tree, is allowed.
func readPages(tree fs.FS, edge string) (*pages, error) {
	policy, err := contentPolicy(edge)
	if err != nil {
		return nil, err
	}
	p := &pages{files: map[string]page{}, policy: policy}
	if tree == nil {
		return p, nil
	}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		p.files[name] = page{body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, kind: contentType(name, body)}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	return p, nil
}

func contentType(name string, body []byte) string {
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return http.DetectContentType(body)
}

// contentPolicy lets a page run its own files only, talk to this server and the edge only, and play what its scripts put
// together (blob:). Nothing inline, and no frame around it.
func contentPolicy(edge string) (string, error) {
	u, err := url.Parse(edge)
	if err != nil || edge != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") || strings.ContainsAny(u.Host, " ;,") {
		return "", weir.Errorf(weir.Invalid, "the edge's base URL %q is not an http URL", edge)
	}
	media := "'self'"
	if edge != "" {
		media += " " + u.Scheme + "://" + u.Host
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"font-src 'self'",
		"img-src data: " + media,
		"media-src blob: " + media,
		"connect-src " + media,
		"worker-src 'self' blob:",
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; "), nil
}

// serve answers with a file, or for the addresses of the viewer application with its one page.
func (p *pages) serve(w http.ResponseWriter, r *http.Request, log *slog.Logger) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		web.WriteProblem(w, r, web.StatusProblem(http.StatusMethodNotAllowed, "This address does not allow "+r.Method+"."))
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if application(r.URL.Path) {
		name = indexFile
	}
	f, ok := p.files[name]
	if !ok {
		detail := "There is nothing at this address."
		if name == indexFile {
			detail = "This program was built without its pages. The API is at /openapi.json."
		}
		web.WriteError(w, r, log, weir.Errorf(weir.NotFound, "%s", detail))
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if strings.HasPrefix(name, hashedDir) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

// application says whether an address is one of the viewer application's, whose page finds out by itself what to show.
func application(address string) bool {
	asset, watch := strings.CutPrefix(address, "/watch/")
	return address == "/" || address == "/upload" || address == "/docs" || watch && weir.ValidID(asset)
}
