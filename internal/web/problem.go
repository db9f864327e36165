package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	weir "github.com/weirstream/weir"
)

// problemBase and a kind's name make a problem's type: stable, and a page that explains it.
const problemBase = "https://weir.stream/problems/"

// problemType is the media type of problems.
const problemType = "application/problem+json"

// statuses is the one table: the HTTP status of each kind.
var statuses = [...]int{
	weir.Internal:        http.StatusInternalServerError,
	weir.Invalid:         http.StatusBadRequest,
	weir.Unauthenticated: http.StatusUnauthorized,
	weir.Forbidden:       http.StatusForbidden,
	weir.NotFound:        http.StatusNotFound,
	weir.Conflict:        http.StatusConflict,
	weir.Gone:            http.StatusGone,
	weir.Precondition:    http.StatusPreconditionFailed,
	weir.TooLarge:        http.StatusRequestEntityTooLarge,
	weir.BadRange:        http.StatusRequestedRangeNotSatisfiable,
	weir.Unprocessable:   http.StatusUnprocessableEntity,
	weir.TooMany:         http.StatusTooManyRequests,
	weir.Unavailable:     http.StatusServiceUnavailable,
	weir.Timeout:         http.StatusGatewayTimeout,
	weir.Full:            http.StatusInsufficientStorage,
}

// Status is the HTTP status of a kind.
func Status(kind weir.Kind) int {
	if int(kind) < len(statuses) {
		return statuses[kind]
	}
	return http.StatusInternalServerError
}

// typeOf is the problem type of a status: that of its kind, or for what only a router knows (405, 415 ...) one made of
// the status text.
func typeOf(status int) string {
	for kind, s := range statuses {
		if s == status {
			return problemBase + weir.Kind(kind).String()
		}
	}
	return problemBase + strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "-"))
}

// Problem is the RFC 9457 form of err, with nothing in it that its kind does not let a client see.
func Problem(err error) *huma.ErrorModel {
	p := StatusProblem(Status(weir.KindOf(err)), weir.Detail(err))
	if p.Detail == "" {
		p.Detail = generic(p.Status)
	}
	return p
}

// StatusProblem is a problem of a bare status, for what has no kind: a router's 405, a codec's 415.
func StatusProblem(status int, detail string) *huma.ErrorModel {
	return &huma.ErrorModel{Type: typeOf(status), Title: http.StatusText(status), Status: status, Detail: detail}
}

// generic is the sentence for errors that must not show their own.
func generic(status int) string {
	switch status {
	case http.StatusGatewayTimeout:
		return "This took too long and was given up."
	case http.StatusServiceUnavailable:
		return "The server cannot do this right now. Try again in a moment."
	default:
		return "Something went wrong on the server. Its log knows more under this request's id."
	}
}

// WriteError answers r with err as problem+json and logs it when it is internal. It is for the edges of a handler; code
// inside returns its errors. Headers set before stay, but for those that describe a body.
func WriteError(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	logInternal(r, log, err)
	WriteProblem(w, r, Problem(err))
}

// WriteProblem answers r with p, naming the request as its instance.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *huma.ErrorModel) {
	p.Instance = instance(RequestID(r.Context()))
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings and numbers
		panic(err)
	}
	h := w.Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Encoding", "Content-Disposition", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone
	}
}

func logInternal(r *http.Request, log *slog.Logger, err error) {
	if weir.KindOf(err) == weir.Internal {
		log.Error("request failed", "method", r.Method, "path", r.URL.Path, "request", RequestID(r.Context()), "error", err)
	}
}

func instance(request string) string {
	if request == "" {
		return ""
	}
	return "urn:weir:request:" + request
}
