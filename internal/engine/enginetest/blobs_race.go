package enginetest

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weirstream/weir"
)

const racers = 16

func blobsConditions(t *testing.T, b weir.Blobs) {
	f := func(content string, opts weir.PutOptions) (weir.ObjectInfo, error) {
		return b.Put(t.Context(), "k", strings.NewReader(content), opts)
	}
	_, err := f("x", weir.PutOptions{IfMatch: "nothing-there"})
	wantKind(t, err, weir.Precondition)
	first, err := f("first", weir.PutOptions{CreateOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f("x", weir.PutOptions{CreateOnly: true})
	wantKind(t, err, weir.Precondition)
	second, err := f("second", weir.PutOptions{IfMatch: first.ETag})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f("x", weir.PutOptions{IfMatch: first.ETag})
	wantKind(t, err, weir.Precondition)
	if got, info := get(t, b, "k", 0, -1); got != "second" || info.ETag != second.ETag {
		t.Errorf("Get = %q, %+v, want the second", got, info)
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	_, err = f("x", weir.PutOptions{IfMatch: second.ETag})
	wantKind(t, err, weir.Precondition)
	if _, err = f("again", weir.PutOptions{CreateOnly: true}); err != nil {
		t.Error(err)
	}
}

// blobsCreateOnlyRace: one of many wins, and the others change nothing.
func blobsCreateOnlyRace(t *testing.T, b weir.Blobs) {
	errs := make([]error, racers)
	race(func(i int) {
		_, errs[i] = b.Put(t.Context(), "race/prize", strings.NewReader(strconv.Itoa(i)), weir.PutOptions{CreateOnly: true})
	})
	var winners []string
	for i, err := range errs {
		if err == nil {
			winners = append(winners, strconv.Itoa(i))
		} else {
			wantKind(t, err, weir.Precondition)
		}
	}
	if got, _ := get(t, b, "race/prize", 0, -1); len(winners) != 1 || got != winners[0] {
		t.Errorf("winners %q, stored %q, want one and the same", winners, got)
	}
}

// blobsIfMatchChain: many count in one object; no step is lost or made twice.
func blobsIfMatchChain(t *testing.T, b weir.Blobs) {
	const steps = 4
	put(t, b, "race/count", "0")
	errs := make([]error, racers)
	race(func(i int) {
		for range steps {
			errs[i] = errors.Join(errs[i], countUp(t, b, "race/count"))
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if got, _ := get(t, b, "race/count", 0, -1); got != strconv.Itoa(racers*steps) {
		t.Errorf("counted to %s, want %d", got, racers*steps)
	}
}

// countUp tries until its If-Match holds. Each failure is another racer's success, so the tries are bounded.
func countUp(t *testing.T, b weir.Blobs, key string) error {
	for range 1000 {
		r, info, err := b.Get(t.Context(), key, 0, -1, "")
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		n, err := strconv.Atoi(string(text))
		if err != nil {
			return err
		}
		_, err = b.Put(t.Context(), key, strings.NewReader(strconv.Itoa(n+1)), weir.PutOptions{IfMatch: info.ETag})
		if err == nil || weir.KindOf(err) != weir.Precondition {
			return err
		}
	}
	return fmt.Errorf("no try of 1000 to count held")
}

// blobsReadersSeeWholeObjects: while one key is replaced over and over, and its neighbour put and deleted, a reader gets
// all of one version.
func blobsReadersSeeWholeObjects(t *testing.T, b weir.Blobs) {
	const versions = 12
	content := func(v int) string { return pattern(200_000+v*1000, byte(v)) }
	put(t, b, "d/k", content(0))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for open := true; open; {
				select {
				case <-stop:
					open = false
				default:
				}
				got, info, err := readWhole(t, b, "d/k")
				if v := (len(got) - 200_000) / 1000; err != nil || int64(len(got)) != info.Size || got != content(v) {
					t.Errorf("read %d bytes, info %+v, error %v", len(got), info, err)
					return
				}
			}
		})
	}
	for v := 1; v <= versions; v++ {
		put(t, b, "d/k", content(v))
		put(t, b, "d/e/f", "comes and goes")
		if err := b.Delete(t.Context(), "d/e/f"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func readWhole(t *testing.T, b weir.Blobs, key string) (string, weir.ObjectInfo, error) {
	r, info, err := b.Get(t.Context(), key, 0, -1, "")
	if err != nil {
		return "", info, err
	}
	content, err := io.ReadAll(r)
	return string(content), info, errors.Join(err, r.Close())
}

// race runs f for each racer, all at once, and waits for them.
func race(f func(i int)) {
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range racers {
		done.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	done.Wait()
}
