package catalog

import (
	"context"
	"encoding/json"

	weir "github.com/weirstream/weir"
)

// group is this service's place on the bus.
const group = "catalog"

// steps orders the facts of one source that may carry the same revision of their subject.
var steps = map[string]int{
	weir.FactMasterReady:   1,
	weir.FactAssetDeleted:  2,
	weir.FactAssetPlayable: 1,
	weir.FactAssetComplete: 2,
	weir.FactAssetFailed:   2,
}

// Run applies facts until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return s.Bus.Consume(ctx, weir.TopicFacts, group, func(ctx context.Context, m weir.Message) error {
		var f weir.Fact
		if err := json.Unmarshal(m.Value, &f); err != nil {
			s.Log.Error("fact is not JSON", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "error", err)
			return nil // it never will be; those behind it must not wait
		}
		return s.Apply(ctx, f)
	})
}

// Apply makes a fact's change if it is newer than what was applied of its source and subject; so a fact may come twice, or
// after one that is newer. A fact that cannot be understood is logged and dropped; an error is the store's and worth a retry.
func (s *Service) Apply(ctx context.Context, f weir.Fact) error {
	step, ours := steps[f.Type]
	if !ours || !weir.ValidID(f.Subject) || !weir.ValidID(f.Organisation) {
		return nil
	}
	mark := Mark{Revision: f.Revision, Step: step}
	return s.retry(func() error {
		t, err := s.Store.Load(ctx, f.Organisation, f.Subject)
		if weir.KindOf(err) == weir.NotFound {
			t, err = Title{ID: f.Subject, Organisation: f.Organisation, Asset: f.Subject, Applied: map[string]Mark{}}, nil
		}
		if err != nil {
			return err
		}
		if !t.Applied[f.Source].before(mark) || t.State == Deleted {
			return nil
		}
		t.Applied[f.Source] = mark
		return s.apply(ctx, t, f)
	})
}

// apply is what each fact means for a title (of version 0: there is none yet). The fact of its master may come after
// those of what was made of it; until then the title has no name and no time of creation, and nobody sees it.
func (s *Service) apply(ctx context.Context, t Title, f weir.Fact) error {
	switch f.Type {
	case weir.FactMasterReady:
		var a weir.Asset
		if !t.Created.IsZero() || !s.decode(f, &a) {
			return nil
		}
		t.Name, t.Created = a.Title, a.Created
		if t.Created.IsZero() {
			t.Created = f.Time
		}
		if t.State == "" {
			t.State = Encoding
		}
		return s.save(ctx, t, weir.FactTitleCreated)
	case weir.FactAssetDeleted:
		return s.bury(ctx, t) // also when there was no title: its other facts may still come
	}
	switch f.Type {
	case weir.FactAssetPlayable, weir.FactAssetComplete:
		var h weir.Head
		if !s.decode(f, &h) {
			return nil
		}
		t.State, t.Duration, t.Reason = Playable, h.Duration, ""
		if f.Type == weir.FactAssetComplete {
			t.State = Complete
		}
	case weir.FactAssetFailed:
		var failure struct {
			Reason string `json:"reason"`
		}
		if !s.decode(f, &failure) {
			return nil
		}
		t.State, t.Reason = Failed, failure.Reason
	}
	return s.Store.Save(ctx, t)
}

func (s *Service) decode(f weir.Fact, data any) bool {
	if err := json.Unmarshal(f.Data, data); err != nil {
		s.Log.Error("fact has other data than its type says", "type", f.Type, "fact", f.ID, "error", err)
		return false
	}
	return true
}
