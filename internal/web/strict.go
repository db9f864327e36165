package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// unmarshalStrict is json.Unmarshal without what makes two readers of one body disagree: keys given twice, keys that match a
// field only when case is ignored, and bytes after the value. Weir's own keys are all lower case, so any other is refused.
// Unknown keys are refused by the operation's schema.
func unmarshalStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkKeys(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return json.Unmarshal(data, v)
}

// maxDepth bounds the nesting of a body.
const maxDepth = 32

// checkKeys reads one value.
func checkKeys(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("JSON is nested deeper than %d", maxDepth)
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return fmt.Errorf("read JSON: %w", err)
			}
			key, _ := t.(string) // the decoder gives nothing else here
			if seen[key] {
				return fmt.Errorf("key %q is given twice", key)
			}
			if key != strings.ToLower(key) {
				return fmt.Errorf("key %q is not in lower case", key)
			}
			seen[key] = true
		}
		if err := checkKeys(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	return nil
}
