package redis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/internal/engine/redis"
)

// BenchmarkGet reads values through the adapter, through go-redis alone and through the barest client there can be, in
// turns of one run, since a machine is not equally fast at all times. The clients get replies of the same sizes: what is
// read in pieces here is read in those pieces there. of-raw and of-go-redis are the adapter's throughput divided by theirs.
func BenchmarkGet(b *testing.B) {
	url := enginetest.Address(b, "WEIR_TEST_REDIS")
	prefix := weir.NewID(time.Now()) + ":"
	c, err := redis.Open(b.Context(), url+"?prefix="+prefix, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	client := goredis.NewClient(&goredis.Options{Addr: servers(url)[0], Protocol: 2, PoolSize: 40})
	defer client.Close()
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		key := strconv.Itoa(size)
		if err := c.Set(b.Context(), key, []byte(strings.Repeat("v", size)), time.Hour); err != nil {
			b.Fatal(err)
		}
		for _, workers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%dKiB/%d", size>>10, workers), func(b *testing.B) {
				raws := make([]*raw, workers)
				for i := range raws {
					raws[i] = dialRaw(b, servers(url)[0])
				}
				adapter := func(int) error {
					got, ok, err := c.Get(b.Context(), key)
					return complete(len(got), size, ok, err)
				}
				plain := func(int) error { return viaGoRedis(b, client, prefix+key, size) }
				bare := func(i int) error { return raws[i].get(prefix+key, size) }
				compare(b, workers, size, adapter, plain, bare)
			})
		}
	}
}

// compare runs each reader in short turns, workers at a time, and reports the first one's speed and its share of the
// others': the median over turns that followed each other, which other load on the machine moves least.
func compare(b *testing.B, workers, size int, readers ...func(worker int) error) {
	const turn = 8 // reads of a worker
	shares := make([][]float64, len(readers))
	spent := make([]time.Duration, len(readers))
	b.SetBytes(int64(size))
	for n := 0; n < b.N; n += turn * workers {
		for i := range readers {
			at := (i + n/(turn*workers)) % len(readers) // nobody is always first
			spent[at] = timed(b, workers, turn, readers[at])
		}
		for i := range readers {
			shares[i] = append(shares[i], spent[i].Seconds()/spent[0].Seconds())
		}
	}
	for i, name := range []string{"", "of-go-redis", "of-raw"} {
		slices.Sort(shares[i])
		if i > 0 {
			b.ReportMetric(shares[i][len(shares[i])/2], name)
		}
	}
}

// timed is how long workers take to read turn times each.
func timed(b *testing.B, workers, turn int, read func(worker int) error) time.Duration {
	begun := time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for range turn {
				if err := read(w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

func complete(got, want int, ok bool, err error) error {
	if err != nil || !ok || got != want {
		return fmt.Errorf("read %d bytes of %d, %v: %w", got, want, ok, err)
	}
	return nil
}

// ranges are the replies the adapter asks for: one up to 64 KiB and its head, then up to 256 KiB, four at once. The last
// number of a batch is its size.
func ranges(size int) (batches [][][2]int) {
	const head, first, piece = 13, 13 + 64<<10, 256 << 10
	if size <= 64<<10 {
		return [][][2]int{{{0, first - 1}}}
	}
	batches = [][][2]int{{{0, first - 1}}}
	for at := first; at < head+size; {
		var batch [][2]int
		for range 4 {
			end := min(at+piece, head+size)
			if at < end {
				batch = append(batch, [2]int{at, end - 1})
			}
			at = end
		}
		batches = append(batches, append(batch, [2]int{0, head - 1}))
	}
	return batches
}

// viaGoRedis reads a stored value of size bytes with go-redis alone.
func viaGoRedis(b *testing.B, client *goredis.Client, key string, size int) error {
	batches := ranges(size)
	n := 0
	for _, batch := range batches {
		if len(batch) == 1 {
			v, err := client.GetRange(b.Context(), key, int64(batch[0][0]), int64(batch[0][1])).Bytes()
			if err != nil {
				return err
			}
			n += len(v)
			continue
		}
		cmds, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
			for _, r := range batch {
				p.GetRange(b.Context(), key, int64(r[0]), int64(r[1]))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, cmd := range cmds[:len(cmds)-1] {
			n += len(cmd.(*goredis.StringCmd).Val())
		}
	}
	if n <= size {
		return fmt.Errorf("read %d bytes of %d and a head", n, size)
	}
	return nil
}

// raw is a connection and what the protocol needs.
type raw struct {
	conn net.Conn
	r    *bufio.Reader
	w    []byte
}

func dialRaw(b *testing.B, address string) *raw {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return &raw{conn: conn, r: bufio.NewReaderSize(conn, 32<<10)}
}

// get reads a stored value of size bytes into a slice of its own.
func (c *raw) get(key string, size int) error {
	value := make([]byte, 0, size+64)
	for _, batch := range ranges(size) {
		c.w = c.w[:0]
		for _, r := range batch {
			from, to := strconv.Itoa(r[0]), strconv.Itoa(r[1])
			c.w = fmt.Appendf(c.w, "*4\r\n$8\r\ngetrange\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(from), from, len(to), to)
		}
		if _, err := c.conn.Write(c.w); err != nil {
			return err
		}
		for range batch {
			line, err := c.r.ReadSlice('\n')
			if err != nil || line[0] != '$' {
				return fmt.Errorf("reply %q: %w", line, err)
			}
			n, err := strconv.Atoi(string(line[1 : len(line)-2]))
			if err != nil {
				return err
			}
			at := len(value)
			value = value[:at+n]
			if _, err := io.ReadFull(c.r, value[at:]); err != nil {
				return err
			}
			if _, err := c.r.Discard(2); err != nil {
				return err
			}
		}
	}
	if len(value) <= size {
		return fmt.Errorf("read %d bytes of %d and a head", len(value), size)
	}
	return nil
}
