package catalog

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

// Item is a title as the API shows it.
type Item struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Asset    string    `json:"asset"`
	State    State     `json:"state" enum:"encoding,playable,complete,failed"`
	Reason   string    `json:"reason,omitempty" doc:"Why it failed, for people"`
	Duration float64   `json:"duration" doc:"Seconds; 0 until it is playable"`
	Created  time.Time `json:"created"`
	Poster   string    `json:"poster,omitempty" doc:"Path of a JPEG picture, which may come later than the title is playable"`
}

// Items is a page of titles.
type Items struct {
	Items []Item `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
}

func item(t Title) Item {
	i := Item{ID: t.ID, Name: t.Name, Asset: t.Asset, State: t.State, Reason: t.Reason, Duration: t.Duration.Float(), Created: t.Created}
	if t.State == Playable || t.State == Complete {
		i.Poster = "/v1/assets/" + t.Asset + "/poster"
	}
	return i
}

type titleInput struct {
	ID string `path:"id" maxLength:"64" doc:"The title's id"`
}

type titleOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Item
}

func output(t Title) *titleOutput {
	return &titleOutput{ETag: etag(t.Version), CacheControl: "no-cache", Body: item(t)}
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// Register adds the service's routes.
func (s *Service) Register(api *web.API) {
	tags := []string{"titles"}
	web.Handle(api, huma.Operation{OperationID: "list-titles", Method: http.MethodGet, Path: "/v1/titles",
		Summary: "Titles, newest first", Tags: tags, Errors: []int{400}}, s.listTitles)
	web.Handle(api, huma.Operation{OperationID: "get-title", Method: http.MethodGet, Path: "/v1/titles/{id}",
		Summary: "One title", Tags: tags, Errors: []int{404, 410}}, s.getTitle)
	web.Handle(api, huma.Operation{OperationID: "rename-title", Method: http.MethodPatch, Path: "/v1/titles/{id}",
		Summary: "Name a title", Tags: tags, Errors: []int{400, 404, 410, 412}}, s.renameTitle)
	web.Handle(api, huma.Operation{OperationID: "delete-title", Method: http.MethodDelete, Path: "/v1/titles/{id}",
		Summary: "Delete a title and its asset", Tags: tags, Errors: []int{404, 410}}, s.deleteTitle)
}

type listInput struct {
	Cursor string `query:"cursor" maxLength:"128" doc:"The next of the page before; absent for the first page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type listOutput struct {
	Body Items
}

func (s *Service) listTitles(ctx context.Context, in *listInput) (*listOutput, error) {
	before, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	titles, err := s.Store.List(ctx, web.Organisation(ctx), before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: Items{Items: []Item{}}}
	for i, t := range titles {
		if i == in.Limit {
			out.Body.Next = cursorAfter(titles[i-1].ID)
			break
		}
		out.Body.Items = append(out.Body.Items, item(t))
	}
	return out, nil
}

func (s *Service) getTitle(ctx context.Context, in *titleInput) (*titleOutput, error) {
	t, err := s.Title(ctx, web.Organisation(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return output(t), nil
}

type renameInput struct {
	ID      string `path:"id" maxLength:"64" doc:"The title's id"`
	IfMatch string `header:"If-Match" doc:"ETag of the title that is meant; without it the last writer wins"`
	Body    struct {
		Name string `json:"name" minLength:"1" maxLength:"200"`
	}
}

func (s *Service) renameTitle(ctx context.Context, in *renameInput) (*titleOutput, error) {
	name := strings.TrimSpace(in.Body.Name)
	if name == "" || strings.ContainsFunc(name, unicode.IsControl) {
		return nil, weir.Errorf(weir.Invalid, "A title needs a name, of one line of text.")
	}
	version, err := matched(in.IfMatch)
	if err != nil {
		return nil, err
	}
	t, err := s.Rename(ctx, web.Organisation(ctx), in.ID, name, version)
	if err != nil {
		return nil, err
	}
	return output(t), nil
}

// matched is the version an If-Match header asks for: 0 for any. An ETag that is none of ours matches no version.
func matched(header string) (int64, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	inner, ok := strings.CutPrefix(header, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	version, err := strconv.ParseInt(inner, 10, 64)
	if !ok || !closed || err != nil || version < 1 {
		return 0, weir.Errorf(weir.Precondition, "If-Match is not the ETag of this title.")
	}
	return version, nil
}

func (s *Service) deleteTitle(ctx context.Context, in *titleInput) (*struct{}, error) {
	return nil, s.Delete(ctx, web.Organisation(ctx), in.ID)
}
