package disk_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/edge/cache"
	"github.com/weirstream/weir/edge/cache/disk"
)

// childDir is the folder in which this binary, started by itself, writes until it is killed.
const childDir = "WEIR_DISK_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func childConfig(dir string) disk.Config {
	return disk.Config{Dir: dir, RegionBytes: 1 << 20, Bytes: 16 << 20, ReadStall: time.Minute}
}

func childKey(n int) cache.Key { return keyOf(n, int64(1+n*7919%300_000)) }

// child stores bodies, and says which, and purges every tenth once it is stored. It first repeats the purges that an
// earlier child may not have come to, as an edge does from the purge log.
func child(dir string) error {
	tier, err := disk.Open(childConfig(dir))
	if err != nil {
		return err
	}
	position := tier.Position()
	n, err := strconv.Atoi(os.Getenv(childDir + "_FROM"))
	if err != nil {
		return err
	}
	tier.Remove(func(k cache.Key, _ uint64) bool {
		return k.Offset%10 == 9 && k.Offset < int64(n) && k.Offset > int64(position)
	})
	for ; ; n++ {
		key := childKey(n)
		for range 2 {
			tier.Offer(key, uint64(n), open(contents(key, key.Length)))
		}
		tier.Settle()
		fmt.Println("stored", n)
		if n%10 == 9 {
			tier.Remove(func(k cache.Key, _ uint64) bool { return k == key })
			tier.SetPosition(uint64(n))
			tier.Settle()
			fmt.Println("purged", n)
		}
	}
}

// TestKilled kills a process that writes, again and again over one folder: what it said was stored is there, unless it was
// removed for room, what it said was purged is not, and no byte is wrong.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	next := 0
	for round := range scale(200, 8) {
		last, purged := killed(t, dir, next, 11+round*13%40)
		tier := start(t, childConfig(dir))
		for n := max(0, last-30); n <= last; n++ { // the newest 30 are never removed for room
			key := childKey(n)
			got := read(t, tier, key, key.Length)
			if want := n%10 != 9; got != want && (n%10 != 9 || n <= purged) {
				t.Errorf("round %d: body %d of %d is there: %v, want %v; position %d, stats %+v", round, n, last, got, want, tier.Position(), tier.Stats())
			}
		}
		if got := tier.Position(); got < uint64(purged) {
			t.Errorf("round %d: Position = %d, want at least %d", round, got, purged)
		}
		if s := tier.Stats(); s.Damaged != 0 {
			t.Errorf("round %d: stats %+v, want nothing damaged", round, s)
		}
		tier.Close()
		next = last + 1
	}
}

// killed starts a child from body number from and kills it while it writes the one after lines lines. It returns the last
// numbers that it said were stored and purged.
func killed(t *testing.T, dir string, from, lines int) (last, purged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childDir+"_FROM="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = from - 1
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		word, number, _ := strings.Cut(scanner.Text(), " ")
		value, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("the child says %q", scanner.Text())
		}
		if word == "stored" {
			last = value
		} else {
			purged = value
		}
		if n == lines {
			if err := cmd.Process.Kill(); err != nil { // and read what it wrote until then
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return last, purged
}
