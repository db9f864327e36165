package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	weir "github.com/weirstream/weir"
)

// Upload sends a file and returns its asset's id once the master is stored. The file is hashed first, so that what arrives
// is what was meant. A broken connection is resumed where it broke. progress, if not nil, is called as bytes leave, from
// one goroutine; sent falls when a connection lost some. Errors of the server keep their kind (Unprocessable, TooLarge,
// Full ...); the id is set as soon as there is one, also with an error.
func (c *Client) Upload(ctx context.Context, file, title string, progress func(sent, total int64)) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("open master: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("open master: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", weir.Errorf(weir.Invalid, "%s is not a file", file)
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	hash := sha256.New()
	size, err := io.Copy(hash, &untilDone{ctx, f})
	if err != nil {
		return "", fmt.Errorf("hash master: %w", err)
	}
	at, asset, err := c.createUpload(ctx, size, metadata(map[string]string{
		"filename": filepath.Base(file), "title": title, "sha256": hex.EncodeToString(hash.Sum(nil))}))
	if err != nil {
		return "", err
	}
	return asset, c.send(ctx, at, f, size, progress)
}

// metadata is the Upload-Metadata header of some values; empty ones are left out.
func metadata(values map[string]string) string {
	header := ""
	for _, key := range []string{"filename", "title", "sha256"} {
		if values[key] == "" {
			continue
		}
		if header != "" {
			header += ","
		}
		header += key + " " + base64.StdEncoding.EncodeToString([]byte(values[key]))
	}
	return header
}

func (c *Client) createUpload(ctx context.Context, size int64, metadata string) (at, asset string, err error) {
	req, err := c.tusRequest(ctx, http.MethodPost, "/v1/uploads", nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Upload-Length", strconv.FormatInt(size, 10))
	req.Header.Set("Upload-Metadata", metadata)
	resp, err := c.do(req)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = resp.Body.Close() }()
	asset = resp.Header.Get("Weir-Asset")
	if !weir.ValidID(asset) {
		return "", "", weir.Errorf(weir.Internal, "the server at %s began no upload (status %d)", c.Server, resp.StatusCode)
	}
	return "/v1/uploads/" + asset, asset, nil
}

// send sends what the server does not have until it has all.
func (c *Client) send(ctx context.Context, at string, f io.ReaderAt, size int64, progress func(sent, total int64)) error {
	retry := c.retries()
	var offset, furthest int64
	for {
		err := c.patch(ctx, at, offset, f, size, progress)
		if err == nil {
			progress(size, size)
			return nil
		}
		if weir.KindOf(err) == weir.Conflict {
			err = &broken{err} // the server stands elsewhere than we think: ask
		}
		for {
			if err := retry.wait(ctx, err); err != nil {
				return err
			}
			if offset, err = c.offset(ctx, at); err == nil {
				break
			}
		}
		if offset > furthest {
			furthest = offset
			retry.progress()
		}
	}
}

// patch sends all bytes from offset on. nil: the server has them, and the master is stored.
func (c *Client) patch(ctx context.Context, at string, offset int64, f io.ReaderAt, size int64, progress func(sent, total int64)) error {
	body := &counted{r: io.NewSectionReader(f, offset, size-offset), sent: offset, total: size, progress: progress, closed: make(chan struct{})}
	req, err := c.tusRequest(ctx, http.MethodPatch, at, body)
	if err != nil {
		return err
	}
	req.ContentLength = size - offset
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	req.Header.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	resp, err := c.do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	<-body.closed // net/http may read on after it answered (http.RoundTripper)
	return err
}

// offset is how many bytes the server has. If it has all, it answers when the master is stored or refused.
func (c *Client) offset(ctx context.Context, at string) (int64, error) {
	req, err := c.tusRequest(ctx, http.MethodHead, at, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := strconv.ParseInt(resp.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || n < 0 {
		return 0, weir.Errorf(weir.Internal, "the server did not say where the upload stands")
	}
	return n, nil
}

func (c *Client) tusRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := c.request(ctx, method, path, body)
	if err == nil {
		req.Header.Set("Tus-Resumable", "1.0.0")
	}
	return req, err
}

// counted reports what is read through it.
type counted struct {
	once        sync.Once
	closed      chan struct{} // when it will not be read any more
	r           io.Reader
	sent, total int64
	progress    func(sent, total int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sent += int64(n)
	c.progress(c.sent, c.total)
	return n, err
}

// Close says that there will be no more reads.
func (c *counted) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// untilDone ends a long read when ctx does.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
