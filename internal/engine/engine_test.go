package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/transcode"
)

// The zero value with a data folder is the laptop: every port works, and a fact put with a title reaches the bus.
func TestOpenTheLaptop(t *testing.T) {
	e := open(t, engine.Config{Data: filepath.Join(t.TempDir(), "data")})
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- e.Run(ctx) }()

	if _, err := e.Blobs.Put(ctx, "masters/m", strings.NewReader("bytes"), weir.PutOptions{}); err != nil {
		t.Error(err)
	}
	if err := e.Cache.Set(ctx, "k", []byte("v"), time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := e.Registry.PutKV(ctx, "k", []byte("v"), 0); err != nil {
		t.Error(err)
	}
	now := time.Now()
	if n, err := e.Ledger.Claimable(ctx, now); err != nil || n != 0 {
		t.Errorf("Claimable = %d, %v", n, err)
	}
	fact, err := weir.NewFact(now, weir.FactTitleCreated, "catalog", weir.DefaultOrganisation, "t1", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	title := catalog.Title{ID: "t1", Organisation: weir.DefaultOrganisation, Name: "A title", Created: now}
	if err := e.Catalog.Save(ctx, title, fact); err != nil {
		t.Fatal(err)
	}
	if got := firstFact(t, e.Bus); got.Key != "t1" || !strings.Contains(string(got.Value), fact.ID) {
		t.Errorf("on the bus is %+v, want the fact %s", got, fact.ID)
	}
	stop()
	if err := <-ran; err != nil {
		t.Errorf("Run = %v when its context ended, want nil", err)
	}
}

// firstFact waits for the first message of the facts' topic.
func firstFact(t *testing.T, b weir.Bus) weir.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got weir.Message
	err := b.Consume(ctx, weir.TopicFacts, "test", func(_ context.Context, m weir.Message) error {
		got = m
		cancel()
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return got
}

func TestOpenIsDurableAndExclusive(t *testing.T) {
	c := engine.Config{Data: t.TempDir(), Blobs: "dir:" + filepath.Join(t.TempDir(), "elsewhere")}
	first, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	key := first.Folder.RootKey
	if _, err := first.Blobs.Put(t.Context(), "k", strings.NewReader("v"), weir.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Open(t.Context(), c); weir.KindOf(err) != weir.Conflict || !strings.Contains(weir.Detail(err), "is in use by process") {
		t.Errorf("a second Open = %v", err)
	}
	other := engine.Config{Data: t.TempDir(), Blobs: c.Blobs} // shares the objects only
	if _, err := engine.Open(t.Context(), other); weir.KindOf(err) != weir.Conflict {
		t.Errorf("Open of the same objects = %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, c)
	if _, err := second.Blobs.Stat(t.Context(), "k"); err != nil || second.Folder.RootKey != key {
		t.Errorf("after Close and Open: Stat = %v, the same root key: %v", err, second.Folder.RootKey == key)
	}
}

// A process that was killed left its task leased for an hour; the next one need not wait.
func TestOpenVoidsLeases(t *testing.T) {
	c := engine.Config{Data: t.TempDir()}
	first, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	job := weir.Job{ID: "j", Organisation: weir.DefaultOrganisation, Asset: "a", Master: weir.Master{ID: "m"}, Created: now}
	if err := first.Ledger.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	request := transcode.ClaimRequest{Worker: "w", Now: now, Until: now.Add(time.Hour)}
	if _, err := first.Ledger.Claim(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, c).Ledger.Claim(t.Context(), request); err != nil || got.Task.Attempt != 2 {
		t.Errorf("Claim after another Open = %+v, %v; want a second attempt", got.Task, err)
	}
}

func TestOpenNamesWhatIsPossible(t *testing.T) {
	f := func(c engine.Config, sentence string) {
		t.Helper()
		c.Data = t.TempDir()
		_, err := engine.Open(t.Context(), c)
		if weir.KindOf(err) != weir.Invalid || weir.Detail(err) != sentence {
			t.Errorf("Open = %v (%v), want %q", err, weir.KindOf(err), sentence)
		}
		c = engine.Config{Data: c.Data}
		open(t, c) // nothing is held
	}
	f(engine.Config{Blobs: "blobs"}, `"blobs" is no engine for blobs; possible: dir: (a folder in the data folder), dir:/path, s3://bucket?endpoint=URL`)
	f(engine.Config{Stores: "mysql://weir:password@db"}, `"mysql" is no engine for stores; possible: sqlite: (a file in the data folder), postgres://host/database`)
	f(engine.Config{Bus: "nats://k"}, `"nats" is no engine for bus; possible: sqlite: (a file in the data folder), kafka://host:port,...`)
	f(engine.Config{Cache: "memcached://r"}, `"memcached" is no engine for cache; possible: mem: (in process), redis://host:port, redis-cluster://host:port,...`)
	f(engine.Config{Registry: "etcd://c?token=secret"}, `"etcd" is no engine for registry; possible: sqlite: (in process, its values in the data folder), consul://host:port`)
}

// Whose URL is refused reads the refusal aloud, or logs it: nothing secret may be in it.
func TestRefusalsKeepSecrets(t *testing.T) {
	f := func(c engine.Config, sentence string) {
		t.Helper()
		c.Data = t.TempDir()
		_, err := engine.Open(t.Context(), c)
		if weir.KindOf(err) != weir.Invalid || !strings.Contains(err.Error(), sentence) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open = %v (%v), want %q and no secret", err, weir.KindOf(err), sentence)
		}
	}
	f(engine.Config{Stores: "postgress://weir:secret@db/weir"}, `"postgress" is no engine for stores`)
	f(engine.Config{Registry: "consull://c:8500?token=secret&tls=true"}, `"consull" is no engine for registry`)
	f(engine.Config{Bus: "kafkaa://weir:top/secret@k:9092"}, `"kafkaa" is no engine for bus`)
	f(engine.Config{Blobs: "s4://id:top?secret@bucket"}, `"s4" is no engine for blobs`)
}

// A set's name is printed and kept in a file. Kafka's URL takes a password with a slash.
func TestNamesOfSetsKeepSecrets(t *testing.T) {
	from := engine.Config{Data: filepath.Join(t.TempDir(), "from")}
	e, err := engine.Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for bus, want := range map[string]string{
		"kafka://weir:top/secret@k:9092,l:9092?prefix=a.": "bus kafka://k:9092,l:9092?prefix=a.",
		"kafka://weir:secret@k":                           "bus kafka://k",
		"kafka://weir:top?secret@k":                       "bus kafka://",
		"kafka://k/":                                      "bus kafka://k/",
	} {
		result, err := engine.Migration{From: from, To: engine.Config{Data: "to", Bus: bus}, DryRun: true}.Run(t.Context())
		if err != nil || !strings.HasSuffix(result.To, ", "+want) {
			t.Errorf("the name of a set with %s ends in %q (%v), want %q", bus, result.To, err, want)
		}
	}
	result, err := engine.Migration{From: from, To: engine.Config{Data: "to", Blobs: "s3://bucket/a@b?region=r"}, DryRun: true}.Run(t.Context())
	if want := ", blobs s3://bucket/a@b?region=r"; err != nil || !strings.HasSuffix(result.To, want) {
		t.Errorf("name %q (%v), want it to end in %q", result.To, err, want)
	}
}

func open(t *testing.T, c engine.Config) *engine.Engines {
	t.Helper()
	e, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
