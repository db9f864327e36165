package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// heartbeat is how often a silent event stream says that it is alive.
const heartbeat = 15 * time.Second

// assetInput names an asset.
type assetInput struct {
	ID string `path:"id" maxLength:"64" doc:"The asset's id"`
}

type statusOutput struct{ Body Status }

// Register adds the service's routes.
func (s *Service) Register(api *web.API) error {
	web.Handle(api, huma.Operation{OperationID: "get-asset", Method: http.MethodGet, Path: "/v1/assets/{id}",
		Summary: "How an asset is doing", Tags: []string{"assets"}, Errors: []int{404, 410}}, s.getAsset)
	web.Handle(api, huma.Operation{OperationID: "delete-asset", Method: http.MethodDelete, Path: "/v1/assets/{id}",
		Summary: "Delete an asset and all that was made of it", Tags: []string{"assets"}, Errors: []int{404, 410}}, s.deleteAsset)
	web.Handle(api, huma.Operation{OperationID: "follow-asset", Method: http.MethodGet, Path: "/v1/assets/{id}/events",
		Summary: "Follow an asset until it is complete or failed", Tags: []string{"assets"}, Errors: []int{404, 410, 429},
		Description: "Server-sent events. Each event is named `status` and carries the same JSON as the asset; the stream ends after a final state.",
		Responses:   map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	}, s.followAsset)
	return s.registerTus(api)
}

// registerTus adds the upload protocol. Its requests are tusd's to read.
func (s *Service) registerTus(api *web.API) error {
	h, err := s.tus()
	if err != nil {
		return fmt.Errorf("set up tus: %w", err)
	}
	route := func(pattern string, f http.HandlerFunc) {
		inner := http.StripPrefix(uploadsPath, h.Middleware(f))
		api.Route(pattern, func(w http.ResponseWriter, r *http.Request) error {
			r.Header.Del("X-Http-Method-Override") // the route is chosen already
			a := &answer{ResponseWriter: w}
			inner.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), answerKey{}, a)))
			return a.problem(s.c.Log)
		})
	}
	route("POST "+uploadsPath, h.PostFile)
	route("OPTIONS "+uploadsPath, func(http.ResponseWriter, *http.Request) {}) // the middleware answers
	route("HEAD "+uploadsPath+"/{id}", h.HeadFile)
	route("PATCH "+uploadsPath+"/{id}", h.PatchFile)
	route("DELETE "+uploadsPath+"/{id}", h.DelFile)
	describeTus(api)
	return nil
}

func (s *Service) getAsset(ctx context.Context, in *assetInput) (*statusOutput, error) {
	st, err := s.visible(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &statusOutput{Body: st}, nil
}

// visible is the status of an asset that is not deleted.
func (s *Service) visible(ctx context.Context, id string) (Status, error) {
	st, err := s.Status(ctx, web.Organisation(ctx), id)
	if err == nil && st.State == StateDeleted {
		return Status{}, errDeleted
	}
	return st, err
}

func (s *Service) deleteAsset(ctx context.Context, in *assetInput) (*struct{}, error) {
	return nil, s.Delete(ctx, web.Organisation(ctx), in.ID)
}

func (s *Service) followAsset(ctx context.Context, in *assetInput) (*huma.StreamResponse, error) {
	first, err := s.visible(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, weir.Errorf(weir.TooMany, "Too many event streams are open. Ask for the asset itself instead.")
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer func() { <-s.streams }()
		r, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy must not hold events back
		if r.Method != http.MethodHead {
			s.follow(r.Context(), w, first)
		}
	}}, nil
}

// follow writes st and every change of it until a final state, an error, or the end of the server or the client.
func (s *Service) follow(ctx context.Context, w http.ResponseWriter, st Status) {
	out := events{w: w, rc: http.NewResponseController(w)}
	_ = out.rc.SetReadDeadline(time.Time{}) // there is nothing to read, and writes have deadlines
	poll, beat := time.NewTicker(s.c.Poll), time.NewTicker(heartbeat)
	defer poll.Stop()
	defer beat.Stop()
	organisation := web.Organisation(ctx)
	for {
		if err := out.status(st); err != nil || st.State.Final() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-web.Draining(ctx):
			return
		case <-beat.C:
			if err := out.write(": here\n\n"); err != nil {
				return
			}
		case <-poll.C:
			next, err := s.Status(ctx, organisation, st.ID)
			if err != nil {
				if ctx.Err() == nil {
					s.c.Log.Error("follow asset", "asset", st.ID, "error", err)
				}
				return // the client connects again
			}
			st = next
		}
	}
}

// events is the writing end of an event stream.
type events struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	last string // the JSON that was sent
}

// status sends st unless it was the last one sent.
func (e *events) status(st Status) error {
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if string(b) == e.last {
		return nil
	}
	e.last = string(b)
	return e.write("event: status\ndata: " + e.last + "\n\n")
}

func (e *events) write(text string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(heartbeat)) // a recorder in a test has none
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}
