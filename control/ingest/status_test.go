package ingest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/control/ingest"
)

// uploaded is an asset whose master is here.
func (r *rig) uploaded() string {
	r.t.Helper()
	id := r.create(3, "title "+b64("T"))
	if a := r.patch(id, 0, "abc"); a.status != http.StatusNoContent {
		r.t.Fatalf("PATCH = %d %s", a.status, a.body)
	}
	return id
}

var renditions = []ingest.Rendition{{Name: "480p", Kind: weir.Video, Done: 50, Total: 100}, {Name: "stereo", Kind: weir.Audio, Done: 0, Total: 48000}}

func TestStatusFollowsTheJob(t *testing.T) {
	r := newRig(t, nil)
	id := r.uploaded()
	f := func(job ingest.JobStatus, state ingest.State, playable bool, progress float64) {
		t.Helper()
		r.jobs.set(id, job)
		st := r.status(id)
		if st.State != state || st.Playable != playable || st.Progress != progress || st.Reason != job.Reason || st.Duration != job.Duration.Float() ||
			st.Segments != job.Segments || st.TotalSegments != job.TotalSegments {
			t.Errorf("status of %+v = %+v, want %s, playable %t, progress %g", job, st, state, playable, progress)
		}
		err := r.service.Playable(t.Context(), weir.DefaultOrganisation, id)
		if (err == nil) != playable || err != nil && weir.KindOf(err) != weir.Conflict {
			t.Errorf("Playable of %+v = %v, want playable %t", job, err, playable)
		}
	}
	f(ingest.JobStatus{State: weir.JobPending}, ingest.StateQueued, false, 0)
	f(ingest.JobStatus{State: weir.JobPending, Probing: true}, ingest.StateProbing, false, 0)
	f(ingest.JobStatus{State: weir.JobPending, Segments: 3}, ingest.StateQueued, true, 0) // planned anew
	f(ingest.JobStatus{State: weir.JobRunning, TotalSegments: 8, Renditions: renditions}, ingest.StateEncoding, false, 0.25)
	f(ingest.JobStatus{State: weir.JobRunning, Segments: 1, TotalSegments: 8, Duration: weir.Rational{Num: 30, Den: 1}}, ingest.StateEncoding, true, 0)
	f(ingest.JobStatus{State: weir.JobDone, Segments: 8, TotalSegments: 8, Renditions: renditions}, ingest.StateComplete, true, 1)
	f(ingest.JobStatus{State: weir.JobFailed, Segments: 1, Reason: "no stream"}, ingest.StateFailed, false, 0)
	f(ingest.JobStatus{State: weir.JobCancelled}, ingest.StateCancelled, false, 0)
}

func TestAssetAPI(t *testing.T) {
	r := newRig(t, nil)
	id := r.uploaded()
	f := func(method, path string, status int, want string) {
		t.Helper()
		if a := r.ask(method, path, nil); a.status != status || !strings.Contains(a.body, want) {
			t.Errorf("%s %s = %d %s, want %d with %q", method, path, a.status, a.body, status, want)
		}
	}
	f("GET", "/v1/assets/"+id, 200, `"state":"queued","playable":false,"segments":0,"total_segments":0,"duration":0,"progress":0,"renditions":[],"master":{"name":"","size":3,"sha256":"`+sumOf("abc")+`"}`)
	f("GET", "/v1/assets/"+id+"?x=1", 422, "unknown query parameter")
	f("GET", "/v1/assets/nothing", 404, "no such asset")
	f("GET", "/v1/assets/BAD", 404, "no such asset")
	f("GET", "/v1/assets/nothing/events", 404, "no such asset")
	f("DELETE", "/v1/assets/nothing", 404, "no such asset")
	f("DELETE", "/v1/assets/"+id, 204, "")
	f("DELETE", "/v1/assets/"+id, 410, "was deleted")
	f("GET", "/v1/assets/"+id, 410, "problems/gone")
	f("GET", "/v1/assets/"+id+"/events", 410, "problems/gone")
	if diff := cmp.Diff([]string{weir.FactMasterReady + " 2", weir.FactAssetDeleted + " 3"}, r.facts()); diff != "" {
		t.Errorf("facts, -want +got:\n%s", diff)
	}
	if err := r.service.Playable(t.Context(), weir.DefaultOrganisation, id); weir.KindOf(err) != weir.Gone {
		t.Errorf("Playable = %v, want gone", err)
	}
}

func TestAssetsOfOthersDoNotExist(t *testing.T) {
	r := newRig(t, nil)
	id := r.uploaded()
	if _, err := r.service.Status(t.Context(), "acme", id); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Status = %v, want not found", err)
	}
	if err := r.service.Delete(t.Context(), "acme", id); weir.KindOf(err) != weir.NotFound {
		t.Errorf("Delete = %v, want not found", err)
	}
}

// stream opens an asset's events; next is the status of the next event, false at the end.
func (r *rig) stream(ctx context.Context, id string) (next func() (ingest.Status, bool)) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/v1/assets/"+id+"/events", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		r.t.Fatalf("events = %d %s", resp.StatusCode, ct)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (st ingest.Status, ok bool) {
		r.t.Helper()
		name := ""
		for lines.Scan() {
			if value, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = value
			}
			if value, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(value), &st); err != nil || name != "status" {
					r.t.Fatalf("event %q %s: %v", name, value, err)
				}
				return st, true
			}
		}
		return st, false
	}
}

func TestEventsFollowAnAssetToItsEnd(t *testing.T) {
	r := newRig(t, nil)
	id := r.uploaded()
	next := r.stream(t.Context(), id)
	expect := func(state ingest.State, segments int) {
		t.Helper()
		if st, ok := next(); !ok || st.State != state || st.Segments != segments || st.ID != id {
			t.Fatalf("event = %+v, %t, want %s with %d segments", st, ok, state, segments)
		}
	}
	expect(ingest.StateQueued, 0)
	r.jobs.set(id, ingest.JobStatus{State: weir.JobRunning, Segments: 1})
	expect(ingest.StateEncoding, 1)
	r.jobs.set(id, ingest.JobStatus{State: weir.JobDone, Segments: 2})
	expect(ingest.StateComplete, 2)
	if st, ok := next(); ok {
		t.Errorf("an event after the final one: %+v", st)
	}
}

func TestEventsTellOfADeletion(t *testing.T) {
	r := newRig(t, nil)
	id := r.uploaded()
	next := r.stream(t.Context(), id)
	next()
	r.ask("DELETE", "/v1/assets/"+id, nil)
	if st, ok := next(); !ok || st.State != ingest.StateDeleted {
		t.Errorf("event = %+v, %t, want deleted", st, ok)
	}
	if _, ok := next(); ok {
		t.Error("the stream goes on")
	}
}

func TestEventStreamsAreBounded(t *testing.T) {
	r := newRig(t, func(c *ingest.Config) { c.Streams = 1 })
	id := r.uploaded()
	if a := r.ask("HEAD", "/v1/assets/"+id+"/events", nil); a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD = %d %v", a.status, a.header)
	} // it has ended, or the next stream would be one too many
	r.stream(t.Context(), id)
	if a := r.ask("GET", "/v1/assets/"+id+"/events", nil); a.status != http.StatusTooManyRequests {
		t.Errorf("a second stream = %d %s, want 429", a.status, a.body)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.service.Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
}
