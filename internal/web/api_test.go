package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

type listInput struct {
	Limit int    `query:"limit" minimum:"1" maximum:"10" default:"5"`
	After string `query:"after"`
}

type addInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"10"`
		Size int    `json:"size,omitempty"`
	}
}

type output struct {
	Body struct {
		Name  string `json:"name"`
		Limit int    `json:"limit"`
	}
}

// toy is an API of a list, an addition, and /v1/fail/{kind}, which fails.
func toy(log *slog.Logger) *web.API {
	api := web.NewAPI("1.2.3", log)
	web.Handle(api, huma.Operation{OperationID: "list", Method: "GET", Path: "/v1/things"},
		func(_ context.Context, in *listInput) (*output, error) {
			out := &output{}
			out.Body.Name, out.Body.Limit = "a<b", in.Limit
			return out, nil
		})
	web.Handle(api, huma.Operation{OperationID: "add", Method: "POST", Path: "/v1/things"},
		func(_ context.Context, in *addInput) (*output, error) {
			out := &output{}
			out.Body.Name = in.Body.Name
			return out, nil
		})
	web.Handle(api, huma.Operation{OperationID: "fail", Method: "GET", Path: "/v1/fail/{kind}"},
		func(_ context.Context, in *struct {
			Kind int `path:"kind"`
		}) (*output, error) {
			return nil, fmt.Errorf("do it: %w", weir.Errorf(weir.Kind(in.Kind), "a secret or a sentence"))
		})
	api.Route("GET /raw", func(http.ResponseWriter, *http.Request) error {
		return errors.New("raw secret")
	})
	return api
}

func TestAPI(t *testing.T) {
	api := toy(slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		method, url, body string
		status            int
		want              string // in the body
	}{
		{"GET", "/v1/things", "", 200, `{"name":"a<b","limit":5}`},
		{"GET", "/v1/things?limit=7", "", 200, `"limit":7`},
		{"GET", "/v1/things?limit=11", "", 422, "problems/unprocessable"},
		{"GET", "/v1/things?limit=x", "", 422, "query.limit"},
		{"GET", "/v1/things?limits=7", "", 422, "unknown query parameter"},
		{"GET", "/v1/things?limit=7&limit=8", "", 400, "more than once"},
		{"GET", "/v1/things?limit=7;after=8", "", 400, "malformed"},
		{"GET", "/v1/things?limit=%zz", "", 400, "problems/invalid"},
		{"POST", "/v1/things", `{"name":"x"}`, 200, `"name":"x"`},
		{"POST", "/v1/things", `{"name":"x","colour":"red"}`, 422, "body.colour"},
		{"POST", "/v1/things", `{"Name":"x"}`, 400, "lower case"},
		{"POST", "/v1/things", `{"name":"x","name":"y"}`, 400, "twice"},
		{"POST", "/v1/things", `{"name":"x"} {}`, 400, "more than one"},
		{"POST", "/v1/things", `{"name":"x","size":1.5}`, 422, "body.size"},
		{"POST", "/v1/things", `{"name":"longer than ten"}`, 422, "body.name"},
		{"POST", "/v1/things", `{`, 400, "problems/invalid"},
		{"POST", "/v1/things", ``, 400, "body is required"},
		{"POST", "/v1/things", `{"name":"` + strings.Repeat("x", web.MaxBodyBytes) + `"}`, 413, "problems/too-large"},
		{"GET", "/v1/nothing", "", 404, "problems/not-found"},
		{"GET", "/", "", 404, "problems/not-found"},
		{"PUT", "/v1/things", "", 405, "problems/method-not-allowed"},
		{"GET", "/raw", "", 500, "problems/internal"},
		{"HEAD", "/raw", "", 500, ""},
	} {
		r := httptest.NewRequest(c.method, c.url, strings.NewReader(c.body))
		r = r.WithContext(web.WithCaller(r.Context(), web.Caller{Request: "req1"}))
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "$schema") || strings.Contains(body, "secret") {
			t.Errorf("%s %s %.40s = %d %s, want %d with %q", c.method, c.url, c.body, w.Code, body, c.status, c.want)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be stored: %v", c.method, c.url, w.Header())
		}
		if w.Code >= 400 {
			checkProblem(t, c.method, w)
		}
	}
}

// checkProblem: an error is problem+json that names its status and request.
func checkProblem(t *testing.T, method string, w *httptest.ResponseRecorder) {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("status %d has content type %q, want application/problem+json", w.Code, ct)
	}
	if method == http.MethodHead {
		if w.Body.Len() != 0 {
			t.Errorf("HEAD has a body: %s", w.Body)
		}
		return
	}
	var p huma.ErrorModel
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Instance != "urn:weir:request:req1" || p.Type == "" || p.Detail == "" {
		t.Errorf("status %d has the problem %s (%v)", w.Code, w.Body, err)
	}
	for _, e := range p.Errors {
		if e.Value != nil {
			t.Errorf("a problem repeats what was sent: %v", e.Value)
		}
	}
}

func TestKindsBecomeStatuses(t *testing.T) {
	var log bytes.Buffer
	api := toy(slog.New(slog.NewTextHandler(&log, nil)))
	want := map[weir.Kind]int{weir.Internal: 500, weir.Invalid: 400, weir.Unauthenticated: 401, weir.Forbidden: 403, weir.NotFound: 404,
		weir.Conflict: 409, weir.Gone: 410, weir.Precondition: 412, weir.TooLarge: 413, weir.BadRange: 416, weir.Unprocessable: 422,
		weir.TooMany: 429, weir.Unavailable: 503, weir.Timeout: 504, weir.Full: 507}
	for kind, status := range want {
		log.Reset()
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("/v1/fail/%d", kind), nil))
		if w.Code != status || !strings.Contains(w.Body.String(), "/problems/"+kind.String()+`"`) {
			t.Errorf("an error of kind %s is answered %d %s, want %d", kind, w.Code, w.Body, status)
		}
		internal := kind == weir.Internal
		if shown := strings.Contains(w.Body.String(), "a secret or a sentence"); shown == internal {
			t.Errorf("an error of kind %s shows its text: %t", kind, shown)
		}
		if logged := strings.Contains(log.String(), "a secret or a sentence"); logged != internal {
			t.Errorf("an error of kind %s is logged: %t", kind, logged)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (kind == weir.Unauthenticated) {
			t.Errorf("an error of kind %s has the challenge %q", kind, challenge)
		}
	}
	if n := web.Status(weir.Kind(200)); n != 500 {
		t.Errorf("Status of an unknown kind = %d, want 500", n)
	}
}

func TestContextErrorsBecomeStatuses(t *testing.T) {
	for err, want := range map[error]int{context.DeadlineExceeded: 504, context.Canceled: 503} {
		if p := web.Problem(fmt.Errorf("wait: %w", err)); p.Status != want || p.Detail == "" {
			t.Errorf("Problem(%v) = %+v, want status %d", err, p, want)
		}
	}
}

func TestWrongContentTypeIsRefused(t *testing.T) {
	api := toy(slog.New(slog.DiscardHandler))
	r := httptest.NewRequest("POST", "/v1/things", strings.NewReader(`{"name":"x"}`))
	r.Header.Set("Content-Type", "text/plain") // what a form of another site can send
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType || !strings.Contains(w.Body.String(), "problems/unsupported-media-type") {
		t.Errorf("text/plain = %d %s, want 415", w.Code, w.Body)
	}
}

func TestRouterNamesAllowedMethods(t *testing.T) {
	w := httptest.NewRecorder()
	toy(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("DELETE", "/v1/things", nil))
	if allow := w.Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow = %q", allow)
	}
}

func TestDescription(t *testing.T) {
	w := httptest.NewRecorder()
	toy(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var page struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.Body.String(), `"default":{"content":{"application/problem+json"`) {
		t.Error("problems are not described")
	}
	if page.OpenAPI != "3.1.0" || page.Info.Version != "1.2.3" || page.Paths["/v1/things"] == nil {
		t.Errorf("/openapi.json = %s", w.Body)
	}
}

func TestOrganisation(t *testing.T) {
	ctx := t.Context()
	if o := web.Organisation(ctx); o != weir.DefaultOrganisation {
		t.Errorf("Organisation without a caller = %q", o)
	}
	if o := web.Organisation(web.WithCaller(ctx, web.Caller{Organisation: "acme"})); o != "acme" {
		t.Errorf("Organisation = %q, want acme", o)
	}
	if web.Draining(ctx) != nil || web.RequestID(ctx) != "" {
		t.Error("a context without a caller has a request")
	}
}

func FuzzUnmarshalStrict(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[{"c":null}]}`, `{"a":1,"a":2}`, `{"A":1}`, `[1,2] 3`, `"x"`, `{"a"`, ``, `[[[[`, "{\"\\u0061\":1,\"a\":2}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if err := web.UnmarshalStrict(data, &v); err != nil {
			return
		}
		if !json.Valid(data) {
			t.Errorf("UnmarshalStrict accepts %q, which is not JSON", data)
		}
		if m, ok := v.(map[string]any); ok {
			for key := range m {
				if key != strings.ToLower(key) {
					t.Errorf("UnmarshalStrict accepts the key %q", key)
				}
			}
		}
	})
}
