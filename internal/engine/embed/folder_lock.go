package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirstream/weir"
)

// holder is the content of a lock file: for people, and for the error they meet.
type holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// acquire takes the lock of what root is, a Conflict that names the holder if another has it. Closing the file gives it
// up, as does the end of the process, however it ends.
func acquire(root *os.Root, name, what string) (*os.File, error) {
	lock, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", what, diskError(err))
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(taken(root, name, what), lock.Close())
	}
	if err == nil {
		err = sign(lock)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", what, diskError(err)), lock.Close())
	}
	return lock, nil
}

// sign says in the lock file who holds it.
func sign(lock *os.File) error {
	text, err := json.Marshal(holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err = lock.WriteAt(append(text, '\n'), 0)
	return err
}

func taken(root *os.Root, name, what string) error {
	var h holder
	text, err := root.ReadFile(name)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return weir.Errorf(weir.Conflict, "the %s is in use by another process", what)
	}
	return weir.Errorf(weir.Conflict, "the %s is in use by process %d since %s", what, h.PID, h.Since.Format(time.RFC3339))
}
