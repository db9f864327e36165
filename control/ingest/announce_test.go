package ingest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/internal/engine/embed"
)

// A bus may lose the fact that a master is ready; the asset would wait for ever.
func TestLostMasterIsAnnouncedAgain(t *testing.T) {
	r := newRig(t, nil)
	id := r.create(3, "filename YS5tcDQ=")
	r.patch(id, 0, "abc")
	want := func(what string, facts ...string) {
		t.Helper()
		if err := r.service.Announce(t.Context()); err != nil {
			t.Fatalf("Announce %s = %v", what, err)
		}
		if d := cmp.Diff(facts, r.facts()); d != "" {
			t.Errorf("facts after Announce %s (-want +got):\n%s", what, d)
		}
	}
	want("at once", "ingest.master.ready 2") // it may be on its way
	r.now = time.Now().Add(2 * time.Minute)
	want("later", "ingest.master.ready 2", "ingest.master.ready 3")
	want("again", "ingest.master.ready 2", "ingest.master.ready 3", "ingest.master.ready 4")
	r.now = r.now.Add(time.Minute)
	want("three minutes later", "ingest.master.ready 2", "ingest.master.ready 3", "ingest.master.ready 4")
	r.jobs.set(id, ingest.JobStatus{})
	want("with a job", "ingest.master.ready 2", "ingest.master.ready 3", "ingest.master.ready 4")
	if left, err := (&embed.Ingest{DB: r.db}).Unplanned(t.Context(), r.now, "", 10); err != nil || len(left) != 0 {
		t.Errorf("Unplanned once the job was seen = %v, %v", left, err)
	}
}
