// Package accesslog writes one structured line a request, and tells the same to the bus in batches. It is not the
// program's log: it never waits for anything on the way of an answer, and drops, and counts, what a slow file or a bus
// that is away does not take.
//
// Invariant: no ticket and no query is ever written.
package accesslog

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	weir "github.com/weirstream/weir"
)

// Names on the bus. A message is a weir.Fact of type FactAccess, with the edge as subject and an array of records of one
// organisation as data.
const (
	Topic      = weir.TopicAccess
	FactAccess = "edge.access"
)

const (
	blockBytes = 64 << 10 // of lines that go to Out in one write
	batchBytes = weir.MaxMessageBytes - 2<<10
	maxBatches = 256 // of organisations, that fill at once
	queued     = 8   // blocks, and batches, that wait for Out and for the bus
)

// Log is the access log. Set its fields, then Run. The zero value drops everything.
type Log struct {
	Out      io.Writer        // gets whole lines, from one goroutine; nil is nobody. SetWriteDeadline is used if it has it
	Bus      weir.Bus         // nil: nothing is published
	Edge     string           // the instance, as subject of the facts
	Queue    int              // lines that may wait; 0 is 4096
	Interval time.Duration    // between writes, and between facts of one organisation, unless there is more; 0 is 1 s
	Timeout  time.Duration    // of a publication, and of what is left when Run ends; 0 is 5 s
	Log      *slog.Logger     // that lines are being dropped, at most once a minute; nil is silence
	Now      func() time.Time // nil: time.Now

	once  sync.Once
	lines chan *line
	pool  sync.Pool

	counts counts
}

type counts struct {
	recorded, dropped, unpublished, batches, failures atomic.Int64
}

// line is a record as it is written. It goes back to the pool when it was copied.
type line struct {
	b            []byte
	organisation string
}

func (l *Log) prepare() {
	l.once.Do(func() {
		if l.Queue <= 0 {
			l.Queue = 4096
		}
		if l.Interval <= 0 {
			l.Interval = time.Second
		}
		if l.Timeout <= 0 {
			l.Timeout = 5 * time.Second
		}
		if l.Log == nil {
			l.Log = slog.New(slog.DiscardHandler)
		}
		if l.Now == nil {
			l.Now = time.Now
		}
		l.pool.New = func() any { return &line{b: make([]byte, 0, 1024)} }
		l.lines = make(chan *line, l.Queue)
	})
}

// Record takes note of r, or drops it if too many wait. It never waits and keeps nothing of r. Safe for concurrent use.
func (l *Log) Record(r *Record) {
	if l.Out == nil && l.Bus == nil {
		return
	}
	l.prepare()
	one := l.pool.Get().(*line)
	one.b, one.organisation = r.appendLine(one.b[:0]), r.Organisation
	select {
	case l.lines <- one:
		l.counts.recorded.Add(1)
	default:
		l.counts.dropped.Add(1)
		l.pool.Put(one)
	}
}

// Stats is what became of records since the start.
type Stats struct {
	Recorded    int64 // taken by Record
	Dropped     int64 // lines that are not in Out: too many waited, or writing failed
	Unpublished int64 // records that the bus did not get
	Batches     int64 // facts that the bus took
	Failures    int64 // writes and publications that failed
}

// Stats reads the counters; they are not of one instant.
func (l *Log) Stats() Stats {
	c := &l.counts
	return Stats{Recorded: c.recorded.Load(), Dropped: c.dropped.Load(), Unpublished: c.unpublished.Load(),
		Batches: c.batches.Load(), Failures: c.failures.Load()}
}

// Run writes and publishes until ctx ends, then what is left within Timeout, and returns nil. It is called once.
func (l *Log) Run(ctx context.Context) error {
	l.prepare()
	c := &collector{l: l, blocks: make(chan block, queued), batches: make(chan batch, queued), open: map[string]*batch{}}
	last, cancel := context.WithCancel(context.WithoutCancel(ctx)) // of publications
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(c.write)
	wg.Go(func() { c.publish(last) })
	c.collect(ctx)
	stop := time.AfterFunc(l.Timeout, cancel)
	defer stop.Stop()
	if d, ok := l.Out.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Now().Add(l.Timeout)) // a file that knows none needs none
	}
	wg.Wait()
	return nil
}

// collector sorts lines into blocks and batches. Its maps are of the goroutine that collects.
type collector struct {
	l       *Log
	block   block
	open    map[string]*batch
	blocks  chan block
	batches chan batch
	warned  time.Time
}

// block is lines for Out, batch for the bus: records of one organisation with commas between them.
type block struct {
	b     []byte
	lines int64
}

type batch struct {
	organisation string
	b            []byte
	records      int64
}

// collect takes lines until ctx ends and then those that wait.
func (c *collector) collect(ctx context.Context) {
	defer close(c.blocks)
	defer close(c.batches)
	tick := time.NewTicker(c.l.Interval)
	defer tick.Stop()
	for {
		select {
		case one := <-c.l.lines:
			c.take(one)
		case <-tick.C:
			c.flush()
			c.warn()
		case <-ctx.Done():
			for n := len(c.l.lines); n > 0; n-- {
				c.take(<-c.l.lines)
			}
			c.flush()
			return
		}
	}
}

func (c *collector) take(one *line) {
	if c.l.Out != nil {
		if len(c.block.b)+len(one.b) > blockBytes {
			c.sendBlock()
		}
		c.block.b = append(c.block.b, one.b...)
		c.block.lines++
	}
	if c.l.Bus != nil {
		c.addToBatch(one)
	}
	c.l.pool.Put(one)
}

func (c *collector) addToBatch(one *line) {
	b := c.open[one.organisation]
	record := one.b[:len(one.b)-1]
	if b != nil && len(b.b)+len(record)+2 > batchBytes {
		c.sendBatch(b)
		b = nil
	}
	if b == nil {
		if len(c.open) >= maxBatches { // more organisations than are worth memory
			c.flush()
		}
		b = &batch{organisation: one.organisation}
		c.open[one.organisation] = b
	}
	if len(b.b) == 0 {
		b.b = append(b.b, '[')
	} else {
		b.b = append(b.b, ',')
	}
	b.b = append(b.b, record...)
	b.records++
}

func (c *collector) flush() {
	c.sendBlock()
	for _, b := range c.open {
		c.sendBatch(b)
	}
}

func (c *collector) sendBlock() {
	if c.block.lines == 0 {
		return
	}
	select {
	case c.blocks <- c.block:
	default:
		c.l.counts.dropped.Add(c.block.lines)
	}
	c.block = block{}
}

func (c *collector) sendBatch(b *batch) {
	delete(c.open, b.organisation)
	b.b = append(b.b, ']')
	select {
	case c.batches <- *b:
	default:
		c.l.counts.unpublished.Add(b.records)
	}
}

// warn says that records are lost, at most once a minute.
func (c *collector) warn() {
	s := c.l.Stats()
	if s.Dropped+s.Unpublished == 0 || c.l.Now().Sub(c.warned) < time.Minute {
		return
	}
	c.warned = c.l.Now()
	c.l.Log.Warn("access records were lost", "dropped", s.Dropped, "unpublished", s.Unpublished, "failures", s.Failures)
}

// write hands blocks to Out.
func (c *collector) write() {
	for b := range c.blocks {
		if _, err := c.l.Out.Write(b.b); err != nil {
			c.l.counts.failures.Add(1)
			c.l.counts.dropped.Add(b.lines)
		}
	}
}

// publish hands batches to the bus. One that fails is lost: access records are worth no memory while the bus is away.
func (c *collector) publish(ctx context.Context) {
	for b := range c.batches {
		if err := c.publishOne(ctx, b); err != nil {
			c.l.counts.failures.Add(1)
			c.l.counts.unpublished.Add(b.records)
			continue
		}
		c.l.counts.batches.Add(1)
	}
}

func (c *collector) publishOne(ctx context.Context, b batch) error {
	now := c.l.Now()
	fact, err := weir.NewFact(now, FactAccess, "edge", b.organisation, c.l.Edge, now.UnixMicro(), json.RawMessage(b.b))
	if err != nil {
		return err
	}
	value, err := json.Marshal(fact)
	if err != nil {
		return weir.Errorf(weir.Internal, "encode access fact: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.l.Timeout)
	defer cancel()
	return c.l.Bus.Publish(ctx, weir.Message{Topic: Topic, Key: c.l.Edge, Value: value})
}
