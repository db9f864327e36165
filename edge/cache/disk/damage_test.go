package disk_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

// scale is n, or less of it on a small machine: WEIR_TEST_SCALE.
func scale(n, least int) int {
	f, err := strconv.ParseFloat(os.Getenv("WEIR_TEST_SCALE"), 64)
	if err != nil {
		f = 0.01
	}
	return max(int(float64(n)*f), least)
}

// regions makes a folder of a full region and a growing one, and returns their files and the sizes of the bodies.
func regions(t testing.TB) (files [][]byte, sizes []int64) {
	t.Helper()
	config := small(t.TempDir(), 3)
	tier := start(t, config)
	sizes = []int64{20_000, 1, 30_000, 9_000, 500, 25_000, 700}
	for i, size := range sizes {
		put(t, tier, keyOf(i, size), 3)
	}
	tier.Close()
	names, err := filepath.Glob(filepath.Join(config.Dir, "region-*"))
	if err != nil || len(names) != 2 {
		t.Fatalf("%d regions, want 2: %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files, sizes
}

// warm starts a tier over these files and returns which bodies come back. It fails the test for a wrong byte.
func warm(t testing.TB, files [][]byte, sizes []int64) (there []bool, tier *disk.Tier, dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, b := range files {
		if err := os.WriteFile(filepath.Join(dir, "region-000000000000000"+strconv.Itoa(i+1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tier = start(t, small(dir, 3))
	for i, size := range sizes {
		there = append(there, read(t, tier, keyOf(i, size), size))
	}
	return there, tier, dir
}

func count(there []bool) (n int) {
	for _, ok := range there {
		if ok {
			n++
		}
	}
	return n
}

// TestFlippedBits flips one bit at a time, anywhere, in a full region and in a growing one: at most what lies under it and,
// where a header is broken and there is no footer, what follows it, is lost, and no wrong byte is read.
func TestFlippedBits(t *testing.T) {
	files, sizes := regions(t)
	if there, tier, _ := warm(t, files, sizes); count(there) != len(sizes) {
		t.Fatalf("of the files as they were %v came back", there)
	} else {
		tier.Close()
	}
	step := max(1, 900/scale(900, 1))
	for f := range files {
		for at := 0; at < len(files[f]); at += 1 + at%step*7 {
			broken := [][]byte{bytes.Clone(files[0]), bytes.Clone(files[1])}
			broken[f][at] ^= 1 << (at % 8)
			there, tier, _ := warm(t, broken, sizes)
			if lost := len(sizes) - count(there); f == 0 && lost > 1 {
				t.Errorf("a bit at %d of a full region cost %d bodies", at, lost)
			}
			again := make([]bool, len(sizes))
			for i, size := range sizes {
				again[i] = read(t, tier, keyOf(i, size), size)
			}
			if count(again) != count(there) {
				t.Errorf("after a bit at %d of region %d: first %v, then %v", at, f+1, there, again)
			}
			tier.Close()
		}
	}
}

// TestFlippedWhileOpen breaks bodies under a tier that knows them: each is a miss, counted and forgotten, also after a
// restart that would find it good again.
func TestFlippedWhileOpen(t *testing.T) {
	files, sizes := regions(t)
	there, tier, dir := warm(t, files, sizes)
	at := bytes.Index(files[0], contents(keyOf(0, sizes[0]), sizes[0])) + 10_000
	f, err := os.OpenFile(filepath.Join(dir, "region-0000000000000001"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{files[0][at] ^ 4}, int64(at)); err != nil {
		t.Fatal(err)
	}
	if read(t, tier, keyOf(0, sizes[0]), sizes[0]) || tier.Stats().Damaged != 1 || tier.Stats().Entries != int64(len(there)-1) {
		t.Errorf("a flipped bit: stats %+v", tier.Stats())
	}
	tier.Settle()
	if _, err := f.WriteAt(files[0][at:at+1], int64(at)); err != nil {
		t.Fatal(err)
	}
	tier.Close()
	tier = start(t, small(dir, 3))
	if read(t, tier, keyOf(0, sizes[0]), sizes[0]) {
		t.Error("a body that was given up is there after a restart")
	}
}

// TestGoodPrefix breaks the last block of a large body: what is handed over before is good, and another source can go on.
func TestGoodPrefix(t *testing.T) {
	config := disk.Config{Dir: t.TempDir(), Bytes: 64 << 20, ReadStall: time.Minute}
	tier := start(t, config)
	key := keyOf(1, 1<<20)
	put(t, tier, key, 1)
	if err := flip(filepath.Join(config.Dir, "region-0000000000000001"), -5); err != nil {
		t.Fatal(err)
	}
	s := &sink{b: make([]byte, 1<<20), step: 50_000}
	n, whole := tier.Read(t.Context(), key, s)
	if whole || n != 1<<20-disk.Block || !bytes.Equal(s.b[:n], contents(key, 1<<20)[:n]) {
		t.Errorf("Read = %d, %v, want all but the last block", n, whole)
	}
}

// flip changes the byte at off, from the end if it is negative.
func flip(path string, off int64) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if off < 0 {
		off += int64(len(b))
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{b[off] ^ 1}, off)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// TestCutOff cuts the growing region anywhere, as a process that is killed or a disk that loses its newest bytes may:
// every record before the cut is there, and the region grows on.
func TestCutOff(t *testing.T) {
	files, sizes := regions(t)
	inFirst := 0
	for i, size := range sizes {
		if bytes.Contains(files[0], contents(keyOf(i, size), size)) && size > 1 {
			inFirst = i + 1
		}
	}
	step := max(1, 900/scale(900, 1))
	for cut := 0; cut < len(files[1]); cut += 1 + cut%step*3 {
		there, tier, _ := warm(t, [][]byte{files[0], files[1][:cut]}, sizes)
		for i, size := range sizes {
			end := bytes.Index(files[1], contents(keyOf(i, size), size)) + int(size)
			if want := i < inFirst || end <= cut; there[i] != want {
				t.Errorf("cut at %d: body %d is there: %v, want %v", cut, i, there[i], want)
			}
		}
		put(t, tier, keyOf(50, 2000), 1)
		if !read(t, tier, keyOf(50, 2000), 2000) {
			t.Errorf("cut at %d: nothing can be written", cut)
		}
		tier.Close()
	}
	for cut := 0; cut < len(files[0]); cut += 1 + cut%step*29 { // a full region, and its footer
		_, tier, _ := warm(t, [][]byte{files[0][:cut], files[1]}, sizes)
		tier.Close()
	}
}

// A region's bytes under another region's name are not taken: numbers of regions belong to their records.
func TestRegionsAreNotMixedUp(t *testing.T) {
	files, sizes := regions(t)
	if there, _, _ := warm(t, [][]byte{files[1], files[0]}, sizes); count(there) != 0 {
		t.Errorf("%d bodies came from files of other names", count(there))
	}
}

// FuzzRegions starts a tier over any two files and reads all it may hold: nothing but true bytes comes out.
func FuzzRegions(f *testing.F) {
	files, sizes := regions(f)
	f.Add(files[0], files[1])
	f.Add(files[0][:len(files[0])-1], files[1][:30])
	f.Add([]byte{}, files[0][len(files[0])-200:])
	f.Fuzz(func(t *testing.T, first, second []byte) {
		_, tier, _ := warm(t, [][]byte{first, second}, sizes)
		put(t, tier, keyOf(99, 100), 1)
		tier.Remove(func(cache.Key, uint64) bool { return true })
		tier.SetPosition(5)
		tier.Close()
	})
}
