package weir

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// Ruling is one decision every edge obeys: a purge or a revocation, exactly one of them.
type Ruling struct {
	Purge      *Purge      `json:"purge,omitempty"`
	Revocation *Revocation `json:"revocation,omitempty"`
}

// Rulings is one numbered fact of the log that all edges follow. Numbers grow by one; what an edge cached or verified before
// it knew a number is subject to it. It is not changed once made.
type Rulings struct {
	Version int       `json:"version"` // RulingsVersion
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"` // when it was decided, by the clock of who did
	Rulings []Ruling  `json:"rulings"`
}

// Bounds of one fact of rulings.
const (
	RulingsVersion  = 1
	MaxRulings      = 1000
	MaxRulingsBytes = 64 << 10
)

// Check says Invalid, with the reason, for rulings that cannot be obeyed.
func (r *Rulings) Check() error {
	if r.Version != RulingsVersion || r.Number == 0 || r.Number > 1<<53 || !unixFits(r.Time) {
		return Errorf(Invalid, "rulings have version %d, a number and a time", RulingsVersion)
	}
	if len(r.Rulings) == 0 || len(r.Rulings) > MaxRulings {
		return Errorf(Invalid, "a fact has 1 to %d rulings, not %d", MaxRulings, len(r.Rulings))
	}
	for i := range r.Rulings {
		if err := r.Rulings[i].Check(); err != nil {
			return err
		}
		if v := r.Rulings[i].Revocation; v != nil && v.Until.After(r.Time.Add(MaxRevocation)) {
			return Errorf(Invalid, "a revocation is kept for %v at most", MaxRevocation)
		}
	}
	return nil
}

// Check is Invalid unless exactly one is given and right.
func (r *Ruling) Check() error {
	switch {
	case r.Purge != nil && r.Revocation == nil:
		return r.Purge.Check()
	case r.Revocation != nil && r.Purge == nil:
		return r.Revocation.Check()
	}
	return Errorf(Invalid, "a ruling is a purge or a revocation")
}

// Encode is the JSON text of checked rulings. TooLarge over MaxRulingsBytes.
func (r *Rulings) Encode() ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // which would make six bytes of each "&" in an address
	if err := enc.Encode(r); err != nil {
		return nil, Errorf(Internal, "encode rulings: %w", err)
	}
	b := text.Bytes()
	if len(b) > MaxRulingsBytes {
		return nil, Errorf(TooLarge, "a fact of rulings has %d bytes at most, this one %d", MaxRulingsBytes, len(b))
	}
	return b, nil
}

// ParseRulings reads what Encode wrote. A field or a way to purge that is not known is Invalid: what cannot be understood
// cannot be obeyed, and must not be passed over.
func ParseRulings(b []byte) (Rulings, error) {
	if len(b) > MaxRulingsBytes {
		return Rulings{}, Errorf(Invalid, "a fact of rulings has %d bytes at most", MaxRulingsBytes)
	}
	var r Rulings
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Rulings{}, Errorf(Invalid, "read rulings: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Rulings{}, Errorf(Invalid, "read rulings: more than one value")
	}
	return r, r.Check()
}
