package ingest

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/weirstream/weir/internal/web"
)

// headers are those of the upload protocol that clients need, with what they mean here.
var headers = map[string]string{
	"Tus-Resumable":   "1.0.0",
	"Tus-Version":     "1.0.0",
	"Tus-Extension":   "The extensions there are",
	"Tus-Max-Size":    "Bytes of the largest file",
	"Upload-Length":   "Bytes of the file",
	"Upload-Offset":   "How many bytes have arrived; in a request, where these bytes belong",
	"Upload-Metadata": "filename, title, sha256 (hex), each in base64",
	"Location":        "Where the upload is",
	"Weir-Asset":      "The asset's id",
}

// describeTus puts the upload protocol on the API's page.
func describeTus(api *web.API) {
	text := &huma.Schema{Type: huma.TypeString}
	add := func(op huma.Operation, status string, answered []string, needed ...string) {
		for _, name := range needed {
			op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "header", Required: name != "Upload-Metadata",
				Description: headers[name], Schema: text})
		}
		if op.Path != uploadsPath {
			op.Parameters = append(op.Parameters, &huma.Param{Name: "id", In: "path", Required: true, Description: "The asset's id", Schema: text})
		}
		done := &huma.Response{Description: "Done", Headers: map[string]*huma.Param{}}
		for _, name := range answered {
			done.Headers[name] = &huma.Param{Description: headers[name], Schema: text}
		}
		op.Responses, op.Tags = map[string]*huma.Response{status: done}, []string{"uploads"}
		op.Description = "See https://tus.io/protocols/resumable-upload (core, creation, creation-with-upload, termination)."
		api.Describe(op)
	}
	bytes := func(required bool) *huma.RequestBody {
		return &huma.RequestBody{Required: required, Content: map[string]*huma.MediaType{
			"application/offset+octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	}
	one := uploadsPath + "/{id}"
	add(huma.Operation{OperationID: "describe-uploads", Method: http.MethodOptions, Path: uploadsPath,
		Summary: "What the upload protocol can do here"}, "200", []string{"Tus-Version", "Tus-Extension", "Tus-Max-Size"})
	add(huma.Operation{OperationID: "create-upload", Method: http.MethodPost, Path: uploadsPath, RequestBody: bytes(false),
		Summary: "Begin an upload, which may bring its first bytes"}, "201", []string{"Location", "Weir-Asset", "Upload-Offset"},
		"Tus-Resumable", "Upload-Length", "Upload-Metadata")
	add(huma.Operation{OperationID: "get-upload-offset", Method: http.MethodHead, Path: one,
		Summary: "How many bytes have arrived"}, "200", []string{"Upload-Offset", "Upload-Length"})
	add(huma.Operation{OperationID: "append-upload", Method: http.MethodPatch, Path: one, RequestBody: bytes(true),
		Summary: "Send bytes; the last ones are answered when the master is stored"}, "204", []string{"Upload-Offset"},
		"Tus-Resumable", "Upload-Offset")
	add(huma.Operation{OperationID: "end-upload", Method: http.MethodDelete, Path: one,
		Summary: "Give an unfinished upload up"}, "204", nil, "Tus-Resumable")
}
