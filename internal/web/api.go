package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	weir "github.com/weirstream/weir"
)

// Bounds of one operation.
const (
	MaxBodyBytes   = 64 << 10         // of a JSON body
	HandlerTimeout = 30 * time.Second // of a handler, streams after it excepted
	bodyTimeout    = 40 * time.Second // of the body; longer, because net/http ends the handler's context with it
)

// API is a set of operations and raw routes on one mux. Every error it answers is problem+json, the router's too.
type API struct {
	log  *slog.Logger
	mux  *http.ServeMux
	huma huma.API
}

// NewAPI makes an empty API that serves its description at /openapi.json. Routes are added before it serves.
func NewAPI(version string, log *slog.Logger) *API {
	mux := http.NewServeMux()
	json := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrict}
	a := &API{log: log, mux: mux}
	a.huma = humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "Weir", Version: version},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		OpenAPIPath:                  "/openapi",
		Formats:                      map[string]huma.Format{"application/json": json, "json": json},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{finishProblem},
	})
	a.huma.UseMiddleware(a.singleParameters)
	return a
}

// OpenAPI is the description, to be added to before the API serves.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Handle adds an operation. f's errors become problems by their kind; f has HandlerTimeout.
func Handle[I, O any](a *API, op huma.Operation, f func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = MaxBodyBytes
	op.BodyReadTimeout = bodyTimeout
	a.problems(&op)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, HandlerTimeout)
		defer cancel()
		out, err := f(ctx, in)
		if err != nil {
			if weir.KindOf(err) == weir.Internal {
				a.log.Error("request failed", "operation", op.OperationID, "request", RequestID(ctx), "error", err)
			}
			return nil, problemError(err)
		}
		return out, nil
	})
}

// problemError is err for huma: 401 carries its challenge.
func problemError(err error) error {
	p := Problem(err)
	if p.Status == http.StatusUnauthorized {
		return huma.ErrorWithHeaders(p, http.Header{"Www-Authenticate": {`Bearer realm="weir"`}})
	}
	return p
}

// Describe puts a route that Route adds on the API's page.
func (a *API) Describe(op huma.Operation) {
	a.problems(&op)
	a.OpenAPI().AddOperation(&op)
}

// problems says in an operation's description that every answer it does not name is a problem.
func (a *API) problems(op *huma.Operation) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	op.Responses["default"] = &huma.Response{Description: "A problem (RFC 9457)",
		Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
}

// HandlerFunc is a handler that returns its error. It has written nothing when it does.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Route adds a handler that speaks a protocol of its own (tus), at a ServeMux pattern.
func (a *API) Route(pattern string, h HandlerFunc) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			WriteError(w, r, a.log, err)
		}
	})
}

// ServeHTTP serves the API. No answer is stored by anybody unless its handler says otherwise.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	// No route: ServeMux would say so in plain text. Ask it which status and which Allow it would have sent.
	answer := routerAnswer{header: http.Header{}}
	h.ServeHTTP(&answer, r)
	if answer.status != http.StatusMethodNotAllowed {
		WriteError(w, r, a.log, weir.Errorf(weir.NotFound, "There is nothing at this address."))
		return
	}
	w.Header().Set("Allow", answer.header.Get("Allow"))
	WriteProblem(w, r, StatusProblem(answer.status, "This address does not allow "+r.Method+"."))
}

// routerAnswer keeps the status and header of ServeMux's own error answers.
type routerAnswer struct {
	header http.Header
	status int
}

func (a *routerAnswer) Header() http.Header         { return a.header }
func (a *routerAnswer) Write(b []byte) (int, error) { return len(b), nil }
func (a *routerAnswer) WriteHeader(status int)      { a.status = status }

// singleParameters refuses a query that two readers could understand differently.
func (a *API) singleParameters(ctx huma.Context, next func(huma.Context)) {
	u := ctx.URL()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		_ = huma.WriteErr(a.huma, ctx, http.StatusBadRequest, "the query is malformed")
		return
	}
	for name, values := range query {
		if len(values) > 1 {
			_ = huma.WriteErr(a.huma, ctx, http.StatusBadRequest, "the query has "+name+" more than once")
			return
		}
	}
	next(ctx)
}

// finishProblem completes the problems huma makes itself (validation, codecs) and names the request in all of them.
// Values are taken out: a body may hold a secret.
func finishProblem(ctx huma.Context, _ string, v any) (any, error) {
	err, ok := v.(error)
	if !ok {
		return v, nil
	}
	var p *huma.ErrorModel
	if !errors.As(err, &p) {
		return v, nil
	}
	if p.Type == "" {
		p.Type = typeOf(p.Status)
		if p.Status >= http.StatusInternalServerError {
			p.Detail, p.Errors = generic(p.Status), nil
		}
		if len(p.Errors) > 0 { // huma says only "validation failed"
			p.Detail = "The request is not valid: " + p.Errors[0].Message + " (" + p.Errors[0].Location + ")."
		}
	}
	for _, e := range p.Errors {
		e.Value = nil
	}
	p.Instance = instance(RequestID(ctx.Context()))
	return p, nil
}
