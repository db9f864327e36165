package postgres_test

import (
	"fmt"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/postgres"
	"github.com/weirstream/weir/transcode"
)

// BenchmarkLedgerClaimRecord is one task claimed and done, of a job of 500 with a plan of 1 MB, by one worker.
func BenchmarkLedgerClaimRecord(b *testing.B) {
	l := &postgres.Ledger{DB: open(b, schema(b))}
	left, jobs := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			fill(b, l, fmt.Sprint("a", jobs), 500, 1<<20)
			left = 500
			jobs++
			b.StartTimer()
		}
		left--
		claimRecord(b, l)
	}
}

// BenchmarkLedgerClaimRecordTogether is the same by 8 workers at once, with plans of 10 KB.
func BenchmarkLedgerClaimRecordTogether(b *testing.B) {
	l := &postgres.Ledger{DB: open(b, schema(b))}
	for i := range b.N/500 + 1 {
		fill(b, l, fmt.Sprint("a", i), 500, 10<<10)
	}
	b.ResetTimer()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			claimRecord(b, l)
		}
	})
}

// fill makes a job of so many tasks with a plan of so many bytes.
func fill(b *testing.B, l *postgres.Ledger, asset string, tasks, bytes int) {
	b.Helper()
	if err := l.Create(b.Context(), newJob(asset)); err != nil {
		b.Fatal(err)
	}
	all := make([]weir.Task, tasks)
	for i := range all {
		all[i] = weir.Task{N: i + 1, Kind: weir.TaskVideo, Order: i}
	}
	if err := l.Planned(b.Context(), claim(b, l), make([]byte, bytes), all); err != nil {
		b.Fatal(err)
	}
}

func claim(b *testing.B, l *postgres.Ledger) weir.Claim {
	now := time.Unix(1000, 0)
	c, err := l.Claim(b.Context(), transcode.ClaimRequest{Worker: "w", Now: now, Until: now.Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func claimRecord(b *testing.B, l *postgres.Ledger) {
	if err := l.Record(b.Context(), claim(b, l), weir.Record{Body: []byte(`{"outputs":[]}`)}, true); err != nil {
		b.Fatal(err)
	}
}
