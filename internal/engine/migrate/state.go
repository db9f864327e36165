package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	weir "github.com/weirstream/weir"
)

const (
	stateFile    = "migrate.json"
	stateVersion = 1
	stateMost    = 1 << 20 // bytes
)

// state is what the progress file holds.
type state struct {
	Version  int               `json:"version"`
	From     string            `json:"from"` // names of the sides
	To       string            `json:"to"`
	Done     []string          `json:"done"`            // parts copied whole
	After    map[string]string `json:"after,omitempty"` // by part: the last key of what has been copied of it
	Facts    map[int]int64     `json:"facts,omitempty"` // by partition of FROM: the first offset not published
	Complete bool              `json:"complete"`        // all was copied and read back equal
}

func (s *state) isDone(part string) bool { return slices.Contains(s.Done, part) }

// undo has a part copied again.
func (s *state) undo(part string) {
	s.Done = slices.DeleteFunc(s.Done, func(p string) bool { return p == part })
	delete(s.After, part)
	if part == (facts{}).name() {
		clear(s.Facts)
	}
}

// readState is the folder's progress, nil if there is none. Conflict: it cannot be read by this program.
func readState(dir string) (*state, error) {
	path := filepath.Join(dir, stateFile)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, stateMost))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	s, err := parseState(text)
	if err != nil {
		return nil, weir.Errorf(weir.Conflict, "%s is no progress of a migration that this program can read: %w", path, err)
	}
	return s, nil
}

func parseState(text []byte) (*state, error) {
	var s state
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return nil, err
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("it has version %d, not %d", s.Version, stateVersion)
	}
	if s.After == nil {
		s.After = map[string]string{}
	}
	if s.Facts == nil {
		s.Facts = map[int]int64{}
	}
	return &s, nil
}

// writeState replaces the folder's progress, whole and durably.
func writeState(dir string, s *state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return weir.Errorf(weir.Internal, "encode progress: %w", err)
	}
	path := filepath.Join(dir, stateFile)
	err = writeSynced(path+".new", bytes.NewReader(append(text, '\n')))
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("note progress: %w", err)
	}
	return nil
}

// Unfinished says which migration into the data folder was begun and has not been completed, in a sentence of kind Conflict;
// nil is none.
func Unfinished(dir string) error {
	s, err := readState(dir)
	if err != nil || s == nil || s.Complete {
		return err
	}
	return weir.Errorf(weir.Conflict, "the data folder %s holds half of what is being migrated from %s: run the same `weir migrate-store` again to complete it",
		dir, s.From)
}
