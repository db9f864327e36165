package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	weir "github.com/weirstream/weir"
)

// Decode reads a request's JSON body of at most limit bytes into v, for handlers without an API description: one value, no key
// that is unknown, doubled or in upper case. The content type must be JSON, which no page of another origin can send unasked.
// Errors are Invalid and TooLarge.
func Decode(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return weir.Errorf(weir.Invalid, "The body is JSON, and its Content-Type says so.")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return weir.Errorf(weir.TooLarge, "The body has more than %d bytes.", limit)
	}
	if err != nil {
		return weir.Errorf(weir.Invalid, "The body did not arrive: %w", err)
	}
	var raw json.RawMessage
	if err := unmarshalStrict(b, &raw); err != nil {
		return weir.Errorf(weir.Invalid, "The body is not as it should be: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return weir.Errorf(weir.Invalid, "The body is not as it should be: %w", err)
	}
	return nil
}
