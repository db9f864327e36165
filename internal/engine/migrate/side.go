package migrate

import (
	"context"
	"io"

	weir "github.com/weirstream/weir"
)

// Side is one engine set, opened by the caller and used by nobody else meanwhile. A port that is nil on either side is left
// alone: both sides share its engine.
type Side struct {
	Name     string   // tells it from other sets, and is stored; holds no credentials
	Dir      string   // its data folder; uploads/ lies in it, and in TO's migrate.json
	RootKey  [32]byte // opens what the registry's values have sealed
	Blobs    Blobs
	Stores   Stores
	Registry Registry
	Bus      Bus
}

// Blobs is what a migration needs of [weir.Blobs].
type Blobs interface {
	List(ctx context.Context, prefix, after string, limit int) ([]weir.ObjectInfo, error)
	Get(ctx context.Context, key string, off, n int64, ifMatch string) (io.ReadCloser, weir.ObjectInfo, error)
	Put(ctx context.Context, key string, r io.Reader, opts weir.PutOptions) (weir.ObjectInfo, error)
}

// Table is the shape of a table. All columns are NOT NULL.
type Table struct {
	Name    string
	Columns []string // in the order of a Row's values
	Key     []string // those of the primary key, in its order
}

// Row is a row's values, in the order of its Table's columns: int64, string or []byte.
type Row []any

// PageBytes is how many bytes of rows an engine reads at once. The row that reaches it is the last of its page.
const PageBytes = 4 << 20

// Stores is an engine's tables as plain rows.
type Stores interface {
	// Tables lists the tables of the stores as their schema says, in any order: not the engine's own, such as those that
	// count migrations, and not the registry's.
	Tables(ctx context.Context) ([]Table, error)
	// Rows reads the rows behind a key, or the first ones if after is nil, in order of the key: integers by value, texts by
	// their bytes. At most limit, fewer if they have PageBytes, none only at the end. t is one of Tables with its columns in
	// any order.
	Rows(ctx context.Context, t Table, after []any, limit int) ([]Row, error)
	// PutRows inserts rows or replaces those of the same key, all or none, durably. What a row refers to is there already.
	PutRows(ctx context.Context, t Table, rows []Row) error
}

// Registry is what a migration needs of a registry.
type Registry interface {
	// Pairs lists every value, in any order.
	Pairs(ctx context.Context) ([]weir.KVPair, error)
	// PutKV is that of [weir.Registry].
	PutKV(ctx context.Context, key string, value []byte, version uint64) (uint64, error)
}

// Bus is what a migration needs of a bus.
type Bus interface {
	// Scan calls f with every message the topic holds now, oldest first within each partition, and returns f's error. No
	// group's place moves.
	Scan(ctx context.Context, topic string, f func(weir.Message) error) error
	// Publish is that of [weir.Bus].
	Publish(ctx context.Context, messages ...weir.Message) error
}

// Amount is how much there is of something.
type Amount struct {
	Count int64 `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (a *Amount) add(bytes int64) {
	a.Count++
	a.Bytes += bytes
}

// Line is what verification found of one part.
type Line struct {
	Part     string   `json:"part"` // "objects", or the name of a table
	From     Amount   `json:"from"`
	To       Amount   `json:"to"`
	FromHash string   `json:"from_hash,omitempty"` // over all entries, whatever their order: 64 hex digits; "" if none was asked for
	ToHash   string   `json:"to_hash,omitempty"`
	Equal    bool     `json:"equal"`
	Differ   []string `json:"differ,omitempty"` // the first few keys that differ, and how
}

// Result is the end of a migration.
type Result struct {
	From   string `json:"from"`
	To     string `json:"to"`
	DryRun bool   `json:"dry_run,omitempty"` // then lines have From's amounts only
	Copied bool   `json:"copied"`            // false if it was complete before, and this run verified only
	Equal  bool   `json:"equal"`             // every line is
	Lines  []Line `json:"lines"`
}

// Step tells people where a migration is.
type Step struct {
	Part  string
	Act   string // "check", "copy", "verify" or "count"
	Done  Amount // entries of this part looked at so far
	Total Amount // what FROM holds of it, if known
}
