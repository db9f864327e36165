package weir

import (
	"encoding/json"
	"time"
)

// Fact is what happened, in the one envelope. Names are those of CloudEvents 1.0. The bus key of a fact is its Subject; a
// consumer applies a fact only if its Revision is newer than what it knows of the subject.
type Fact struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`   // "ingest.master.ready"
	Source       string          `json:"source"` // the service: "ingest"
	Subject      string          `json:"subject"`
	Time         time.Time       `json:"time"`
	DataVersion  int             `json:"dataschema"`
	Organisation string          `json:"organisation"`
	Revision     int64           `json:"revision"` // of the subject
	Trace        string          `json:"trace,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
}

// Types of facts. The subject is an asset id unless said otherwise.
const (
	FactMasterReady   = "ingest.master.ready"      // data: Asset
	FactAssetDeleted  = "ingest.asset.deleted"     // data: Asset
	FactAssetPlayable = "transcode.asset.playable" // data: Head without pages
	FactAssetComplete = "transcode.asset.complete" // data: Head without pages
	FactAssetFailed   = "transcode.asset.failed"   // data: {"reason": string}
	FactTitleCreated  = "catalog.title.created"    // subject: a title id
	FactTitleDeleted  = "catalog.title.deleted"    // subject: a title id
)

// Topics of the bus.
const (
	TopicFacts = "facts" // every fact, keyed by subject
	TopicWake  = "wake"  // "there may be a task to claim": empty, may be lost

	TopicAccess = "edge.access" // requests that edges answered, many a message; may be lost
)

// MaxMessageBytes bounds one message of the bus.
const MaxMessageBytes = 64 << 10

// NewFact fills the envelope. The error is Internal: data that is not JSON.
func NewFact(now time.Time, kind, source, organisation, subject string, revision int64, data any) (Fact, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return Fact{}, Errorf(Internal, "encode fact %s: %w", kind, err)
	}
	return Fact{ID: NewID(now), Type: kind, Source: source, Subject: subject, Time: now.UTC(), DataVersion: 1,
		Organisation: organisation, Revision: revision, Data: b}, nil
}
