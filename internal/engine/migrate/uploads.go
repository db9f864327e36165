package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	uploadsDir = "uploads"            // of a data folder: a file an unfinished upload, and one that describes it
	uploadTemp = "migrate.upload.new" // in the data folder itself: ingest takes what is in uploads for its own
	infoSuffix = ".info"
	infoMost   = 1 << 20 // bytes of a file that describes an upload
)

// file is one file of uploads.
type file struct {
	name     string
	size     int64
	modified time.Time // ingest ends uploads that rested too long by it
}

func uploads() part {
	return kind[file]{title: "uploads", one: "unfinished upload", workers: hashAtOnce,
		list:    listUploads,
		key:     func(f file) string { return f.name },
		compare: func(a, b file) int { return strings.Compare(a.name, b.name) },
		size:    func(f file) int64 { return f.size },
		digest:  hashUpload,
		put:     putUploads,
	}
}

func listUploads(_ context.Context, s *Side, _ string) iter.Seq2[file, error] {
	return func(yield func(file, error) bool) {
		entries, err := os.ReadDir(filepath.Join(s.Dir, uploadsDir)) // in order of names
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(file{}, fmt.Errorf("list uploads: %w", err))
			return
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			f, err := stat(s, e.Name())
			if !yield(f, err) {
				return
			}
		}
	}
}

// stat tells the size a file has when it is copied.
func stat(s *Side, name string) (file, error) {
	r, f, err := openUpload(s, name)
	if err != nil {
		return file{}, err
	}
	return f, r.Close()
}

// openUpload reads a file as it is copied. The caller closes.
func openUpload(s *Side, name string) (io.ReadCloser, file, error) {
	r, err := os.Open(filepath.Join(s.Dir, uploadsDir, name))
	if err != nil {
		return nil, file{}, fmt.Errorf("open upload: %w", err)
	}
	info, err := r.Stat()
	if err != nil {
		return nil, file{}, errors.Join(fmt.Errorf("open upload: %w", err), r.Close())
	}
	f := file{name: name, size: info.Size(), modified: info.ModTime()}
	if !strings.HasSuffix(name, infoSuffix) || f.size > infoMost {
		return r, f, nil
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, file{}, fmt.Errorf("read upload: %w", err)
	}
	content = portable(content)
	f.size = int64(len(content))
	return io.NopCloser(bytes.NewReader(content)), f, nil
}

// portable is the description of an upload without the absolute paths that the upload protocol's library writes into it.
// Where they are missing it looks beside the description, which is right in every folder.
func portable(info []byte) []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(info, &fields); err != nil || fields["Storage"] == nil {
		return info
	}
	delete(fields, "Storage")
	out, err := json.Marshal(fields)
	if err != nil {
		return info
	}
	return out
}

func hashUpload(_ context.Context, s *Side, f file, full bool) (digest, error) {
	if !full {
		return digestOf(f.name, f.size)
	}
	r, _, err := openUpload(s, f.name)
	if err != nil {
		return digest{}, err
	}
	content, n, err := hashAll(r)
	if err != nil {
		return digest{}, fmt.Errorf("read upload: %w", err)
	}
	return digestOf(f.name, n, content)
}

func putUploads(ctx context.Context, r *run, wanted []pair[file]) error {
	dir := filepath.Join(r.to.Dir, uploadsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder of uploads: %w", err)
	}
	for _, p := range wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := putUpload(r, *p.from); err != nil {
			return fmt.Errorf("copy upload %s: %w", p.from.name, err)
		}
	}
	return errors.Join(syncDir(dir), syncDir(r.to.Dir))
}

func putUpload(r *run, f file) error {
	in, _, err := openUpload(r.from, f.name)
	if err != nil {
		return err
	}
	temp := filepath.Join(r.to.Dir, uploadTemp)
	err = errors.Join(writeSynced(temp, in), in.Close())
	r.at("migrate.upload-written")
	if err == nil {
		err = os.Chtimes(temp, f.modified, f.modified)
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(r.to.Dir, uploadsDir, f.name))
	}
	return err
}

// writeSynced replaces a file's content and syncs it.
func writeSynced(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
