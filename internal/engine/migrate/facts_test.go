package migrate_test

import (
	"fmt"
	"path/filepath"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/embed"
	"github.com/weirstream/weir/internal/engine/migrate"
)

// Facts are missed whatever their order, how often they are there, and in however many passes they are looked for.
func TestAbsent(t *testing.T) {
	bus := func(from, to, step int) *embed.Bus {
		b, err := embed.OpenBus(t.Context(), filepath.Join(t.TempDir(), "bus.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		messages := []weir.Message{{Topic: weir.TopicWake, Key: "wake"}}
		for i := from; i != to; i += step {
			m := weir.Message{Topic: weir.TopicFacts, Key: fmt.Sprint("key-", i%7), Value: fmt.Append(nil, i)}
			messages = append(messages, m, m)
		}
		if err := b.Publish(t.Context(), messages...); err != nil {
			t.Fatal(err)
		}
		return b
	}
	all, most, none := bus(0, 500, 1), bus(449, -1, -1), bus(0, 0, 1)
	f := func(of, in *embed.Bus, want int) {
		t.Helper()
		for _, memory := range []int{7, 100, 1 << 20} {
			n, first, err := migrate.Absent(t.Context(), of, in, memory)
			if err != nil || n != want || (first.Topic != "") != (want > 0) {
				t.Errorf("absent with %d digests = %d, %+v, %v, want %d", memory, n, first, err, want)
			}
			if want == 50 && len(first.Value) == 3 && string(first.Value) < "450" {
				t.Errorf("absent with %d digests names %s, which is not", memory, first.Value)
			}
		}
	}
	f(all, all, 0)
	f(all, most, 50)
	f(most, all, 0)
	f(all, none, 500)
	f(none, all, 0)
}
