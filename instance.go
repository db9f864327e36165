package weir

import (
	"encoding/json"
	"unicode/utf8"
)

// MaxInstanceBytes bounds an Instance in JSON.
const MaxInstanceBytes = 16 << 10

// Check says whether a registry can hold the instance: Invalid if it has no service or id or holds text that is not UTF-8,
// TooLarge over MaxInstanceBytes.
func (i Instance) Check() error {
	if i.Service == "" || i.ID == "" {
		return Errorf(Invalid, "an instance needs a service and an id")
	}
	texts := []string{i.Service, i.ID, i.Address}
	for name, value := range i.Meta {
		texts = append(texts, name, value)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return Errorf(Invalid, "an instance's text is UTF-8; %q is not", text)
		}
	}
	raw, err := json.Marshal(i)
	if err != nil {
		return Errorf(Internal, "encode instance: %w", err)
	}
	if len(raw) > MaxInstanceBytes {
		return Errorf(TooLarge, "an instance has %d bytes at most, this one %d", MaxInstanceBytes, len(raw))
	}
	return nil
}
