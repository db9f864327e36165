package playback

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// Register adds the service's routes.
func (s *Service) Register(api *web.API) {
	web.Handle(api, huma.Operation{OperationID: "start-playback", Method: http.MethodPost, Path: "/v1/playback",
		Summary: "Begin to play an asset", Tags: []string{"playback"}, Errors: []int{404, 409, 410}}, s.startPlayback)
	web.Handle(api, huma.Operation{OperationID: "get-poster", Method: http.MethodGet, Path: "/v1/assets/{id}/poster",
		Summary: "A picture of the asset", Tags: []string{"assets"}, Errors: []int{404, 410},
		Responses: map[string]*huma.Response{"200": {Description: "JPEG", Content: map[string]*huma.MediaType{"image/jpeg": {}}},
			"304": {Description: "Not Modified"}},
	}, s.getPoster)
}

type startInput struct {
	Body struct {
		Asset string `json:"asset" minLength:"1" maxLength:"64"`
	}
}

type startOutput struct{ Body Playback }

func (s *Service) startPlayback(ctx context.Context, in *startInput) (*startOutput, error) {
	p, err := s.Start(ctx, web.Organisation(ctx), in.Body.Asset)
	if err != nil {
		return nil, err
	}
	return &startOutput{Body: p}, nil
}

type posterInput struct {
	ID          string `path:"id" maxLength:"64" doc:"The asset's id"`
	IfNoneMatch string `header:"If-None-Match"`
}

func (s *Service) getPoster(ctx context.Context, in *posterInput) (*huma.StreamResponse, error) {
	if !weir.ValidID(in.ID) {
		return nil, errUnknown
	}
	head, err := s.head(ctx, web.Organisation(ctx), in.ID)
	if err != nil || head.Poster == nil {
		if err == nil || weir.KindOf(err) == weir.NotFound {
			err = weir.Errorf(weir.NotFound, "This asset has no poster (yet).")
		}
		return nil, err
	}
	// The key holds the picture's hash, so it says when the bytes are others.
	etag := `"` + head.Poster.Key[strings.LastIndexByte(head.Poster.Key, '/')+1:] + `"`
	if in.IfNoneMatch == "*" || strings.Contains(in.IfNoneMatch, etag) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			posterHeader(ctx, etag)
			ctx.SetStatus(http.StatusNotModified)
		}}, nil
	}
	// Its bytes are few: read them here, where an error can still be told.
	r, info, err := s.Blobs.Get(ctx, head.Poster.Key, 0, -1, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if info.Size > maxPoster {
		return nil, weir.Errorf(weir.Internal, "poster %s has %d bytes", head.Poster.Key, info.Size)
	}
	picture, err := io.ReadAll(io.LimitReader(r, maxPoster))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		posterHeader(ctx, etag)
		ctx.SetHeader("Content-Type", "image/jpeg")
		ctx.SetHeader("Content-Length", strconv.Itoa(len(picture)))
		_, w := humago.Unwrap(ctx)
		_, _ = w.Write(picture) // the client may be gone
	}}, nil
}

// maxPoster bounds the picture that is held in memory.
const maxPoster = 8 << 20

// posterHeader: a new poster may replace this one at the same address, so it is asked for again after a while.
func posterHeader(ctx huma.Context, etag string) {
	ctx.SetHeader("ETag", etag)
	ctx.SetHeader("Cache-Control", "private, max-age=60")
}
