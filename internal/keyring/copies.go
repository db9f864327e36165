package keyring

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	weir "github.com/weirstream/weir"
)

func (k *Keys) copyOf(organisation string) string {
	return filepath.Join(k.Copies, "ticket-keys-"+organisation+".json")
}

// recall takes the last run's set of an organisation of which none is known, and says whether one is known now. What the
// copy holds is as safe as in the registry: only the root key opens it.
func (k *Keys) recall(organisation string) bool {
	k.learning.Lock()
	defer k.learning.Unlock()
	if known := k.known(organisation); known || k.Copies == "" || !weir.ValidID(organisation) {
		return known
	}
	value, err := os.ReadFile(k.copyOf(organisation))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var keys []liveKey
	if err == nil {
		keys, err = k.open(organisation, value)
	}
	if err != nil { // such as a damaged file, or another root key since; the registry knows
		k.log().Warn("copy of ticket keys not used", "organisation", organisation, "error", err)
		return false
	}
	k.set(organisation, loaded{value: value, keys: keys})
	return len(keys) > 0
}

// keep copies a set for the next run, which does without if that fails.
func (k *Keys) keep(organisation string, value []byte) {
	if k.Copies == "" {
		return
	}
	name := k.copyOf(organisation)
	if before, err := os.ReadFile(name); err == nil && bytes.Equal(before, value) {
		return
	}
	if err := replace(name, value); err != nil {
		k.log().Warn("ticket keys not copied", "organisation", organisation, "error", err)
	}
}

// replace writes a file whole, for its owner alone.
func replace(name string, content []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
