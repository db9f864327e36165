package rulings_test

import (
	"fmt"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
)

// Over the bound the older half becomes a purge of everything: more than was asked for, never less.
func TestTooManyPurges(t *testing.T) {
	r := rulings.New()
	const n = 70_000
	for i := range uint64(n) {
		r.Apply(purge(i+1, weir.ByURL, i%2 == 0, fmt.Sprintf("x/%d", i)))
	}
	for i := range uint64(n) {
		o := rulings.Object{Organisation: "default", Path: fmt.Appendf(nil, "x/%d", i)}
		if _, soft := r.Purged(&o, i); !soft {
			t.Fatalf("x/%d was purged at %d and is not", i, i+1)
		}
	}
	fresh := rulings.Object{Organisation: "default", Path: []byte("never purged")}
	if hard, _ := r.Purged(&fresh, 1); !hard {
		t.Error("what is older than all that is kept is not purged")
	}
	if hard, soft := r.Purged(&fresh, n-1000); hard || soft {
		t.Error("what is young is purged with the old")
	}
	if purged, _, _ := r.Size(); purged > 64<<10 {
		t.Errorf("%d names are kept", purged)
	}
}

func TestTooManyLengths(t *testing.T) {
	r := rulings.New()
	text := "p"
	for i := range uint64(200) {
		r.Apply(purge(i+1, weir.ByPrefix, false, text))
		text += "p"
	}
	o := rulings.Object{Organisation: "default", Path: []byte(text)}
	if hard, _ := r.Purged(&o, 199); !hard {
		t.Error("the last prefix is not purged")
	}
	short := rulings.Object{Organisation: "default", Path: []byte("p")}
	if hard, _ := r.Purged(&short, 0); !hard {
		t.Error("the first prefix is not purged")
	}
	if purged, _, _ := r.Size(); purged > 64 {
		t.Errorf("%d prefixes of as many lengths are kept", purged)
	}
	one := weir.Rulings{Version: 1, Number: 201, Time: noon}
	for i := range 65 { // of one number, there is no older half
		one.Rulings = append(one.Rulings, purge(201, weir.ByPrefix, false, text[:i+1]).Rulings...)
	}
	r.Apply(one)
	if hard, _ := r.Purged(&short, 200); !hard {
		t.Error("a prefix of the last fact is not purged")
	}
}

// What does not fit closes the organisation, and nobody else, until it can be forgotten.
func TestTooManyRevocations(t *testing.T) {
	r := rulings.New()
	long := noon.Add(100 * 24 * time.Hour)
	fact := weir.Rulings{Version: 1, Number: 1, Time: noon}
	for i := range 210_000 {
		fact.Rulings = append(fact.Rulings, weir.Ruling{Revocation: &weir.Revocation{Organisation: "default", Session: fmt.Sprintf("s%d", i), Until: long}})
	}
	r.Apply(fact)
	good := weir.Ticket{Organisation: "default", Session: "good", Issued: noon.Add(time.Hour)}
	other := weir.Ticket{Organisation: "other", Session: "s1"}
	if !r.Revoked(&good) || r.Revoked(&other) {
		t.Errorf("Revoked = %v, of another organisation %v, want true, false", r.Revoked(&good), r.Revoked(&other))
	}
	if _, _, closed := r.Size(); closed != 1 {
		t.Errorf("%d organisations are closed, want 1", closed)
	}
	r.Sweep(long)
	if r.Revoked(&good) {
		t.Error("still closed when all can be forgotten")
	}
}

func TestTooManyOrganisations(t *testing.T) {
	r := rulings.New()
	for i := range uint64(4097) {
		fact := purge(i+1, weir.ByAsset, false, "a")
		fact.Rulings[0].Purge.Organisation = fmt.Sprintf("o%d", i)
		r.Apply(fact)
	}
	last := rulings.Object{Organisation: "o4096", Asset: []byte("a")}
	if hard, _ := r.Purged(&last, 4096); !hard {
		t.Error("the purge of one organisation too many is lost")
	}
	r.Apply(revoke(5000, weir.Revocation{Organisation: "o4096", Session: "s1"}))
	if !r.Revoked(&weir.Ticket{Organisation: "o4096", Session: "s1"}) {
		t.Error("the revocation of one organisation too many is lost")
	}
	r.Sweep(weir.RevokeUntil(noon))
	if r.Revoked(&weir.Ticket{Organisation: "o4096", Session: "s1"}) {
		t.Error("still closed when it can be forgotten")
	}
}

func TestAllocations(t *testing.T) {
	r, o, ticket := busy()
	if n := testing.AllocsPerRun(100, func() { r.Purged(o, 1); r.Revoked(ticket) }); n != 0 {
		t.Errorf("Purged and Revoked allocate %v times", n)
	}
}

func busy() (*rulings.Rulings, *rulings.Object, *weir.Ticket) {
	r := rulings.New()
	for i := range uint64(10_000) {
		r.Apply(purge(i+1, weir.ByURL, false, fmt.Sprintf("x/%d", i)))
		r.Apply(purge(i+1, weir.ByPrefix, false, fmt.Sprintf("y/%d", i)))
		r.Apply(revoke(i+1, weir.Revocation{Session: fmt.Sprintf("s%d", i)}))
	}
	return r, &rulings.Object{Organisation: "default", Asset: []byte("06fsz1a2b3c4d5e6f7g8h9j0k1"), Revision: 3, Keys: []byte("a b c"),
			Path: []byte("06fsz1a2b3c4d5e6f7g8h9j0k1/3/clear/v1080/1234.m4s")},
		&weir.Ticket{Organisation: "default", Session: "06fsz1a2b3c4d5e6f7g8h9j0k1", Subject: "p7", Issued: noon}
}

func BenchmarkPurged(b *testing.B) {
	r, o, _ := busy()
	for name, stamp := range map[string]uint64{"young": r.Number(), "old": 1} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if hard, _ := r.Purged(o, stamp); hard {
					b.Fatal("purged")
				}
			}
		})
	}
}

func BenchmarkRevoked(b *testing.B) {
	r, _, ticket := busy()
	b.ReportAllocs()
	for b.Loop() {
		if r.Revoked(ticket) {
			b.Fatal("revoked")
		}
	}
}
