// Package playback begins playbacks: it looks whether an asset can be played now, and hands out a ticket and the addresses
// to play it at. It delivers no media and is not asked again while a player plays.
package playback

import (
	"context"
	"fmt"
	"io"
	"time"

	weir "github.com/weirstream/weir"
)

// ticketGrace is how much longer than the asset its ticket lasts: pauses are free.
const ticketGrace = 6 * time.Hour

// form is the kind of protection of what is played: none yet.
const form = "clear"

// Assets says whether an asset may be played.
type Assets interface {
	// Playable is nil, NotFound, Gone, or Conflict with the reason.
	Playable(ctx context.Context, organisation, asset string) error
}

// Keys is who signs.
type Keys interface {
	Current(ctx context.Context, organisation string) (weir.TicketKey, error)
}

// Service is playback. Every field but Now must be set. Safe for concurrent use.
type Service struct {
	Assets Assets
	Keys   Keys
	Blobs  weir.Blobs
	Edge   string           // base URL of the edge, without a slash at its end
	Now    func() time.Time // nil is time.Now
}

// Playback is the right and the addresses to play one asset.
type Playback struct {
	Session  string             `json:"session" doc:"Names this playback"`
	Ticket   string             `json:"ticket" doc:"The right to the asset's bytes; already part of the addresses"`
	Asset    string             `json:"asset"`
	Revision int                `json:"revision"`
	State    weir.RevisionState `json:"state" enum:"growing,complete" doc:"Growing: it is still being encoded, and its manifests gain segments"`
	Duration float64            `json:"duration" doc:"Seconds, of the whole"`
	HLS      string             `json:"hls" format:"uri"`
	DASH     string             `json:"dash" format:"uri"`
	Poster   string             `json:"poster,omitempty" format:"uri"`
	Expires  time.Time          `json:"expires"`
}

// Start begins a playback. NotFound; Gone; Conflict: not playable yet or failed, with the reason.
func (s *Service) Start(ctx context.Context, organisation, asset string) (Playback, error) {
	if !weir.ValidID(asset) {
		return Playback{}, errUnknown
	}
	if err := s.Assets.Playable(ctx, organisation, asset); err != nil {
		return Playback{}, err
	}
	head, err := s.head(ctx, organisation, asset)
	if weir.KindOf(err) == weir.NotFound {
		return Playback{}, weir.Errorf(weir.Conflict, "This asset is not playable yet.")
	}
	if err != nil {
		return Playback{}, err
	}
	key, err := s.Keys.Current(ctx, organisation)
	if err != nil {
		return Playback{}, fmt.Errorf("find ticket key: %w", err)
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	seconds := head.Duration.Float()
	issued := now().UTC().Truncate(time.Second)
	life := min(time.Duration(seconds*float64(time.Second))+ticketGrace, weir.MaxTicketLife).Truncate(time.Second)
	t := weir.Ticket{KeyID: key.ID, Organisation: organisation, Session: weir.NewID(now()), Prefix: asset + "/", Issued: issued, Expires: issued.Add(life)}
	text, err := t.Sign(key)
	if err != nil {
		return Playback{}, weir.Errorf(weir.Internal, "sign ticket: %w", err)
	}
	base := fmt.Sprintf("%s/t/%s/%s/%d/%s/", s.Edge, text, asset, head.Revision, form)
	p := Playback{Session: t.Session, Ticket: text, Asset: asset, Revision: head.Revision, State: head.State, Duration: seconds,
		HLS: base + "hls/main.m3u8", DASH: base + "dash/main.mpd", Expires: t.Expires}
	if head.Poster != nil {
		p.Poster = base + "poster.jpg"
	}
	return p, nil
}

var (
	errUnknown = weir.Errorf(weir.NotFound, "There is no such asset.")
	errDeleted = weir.Errorf(weir.Gone, "This asset was deleted.")
)

// head is that of the newest revision that can be played. NotFound; Gone. A revision is buried only when its successor has a
// head, and what is listed is read before more is listed; so there is always one to find while the asset lives.
func (s *Service) head(ctx context.Context, organisation, asset string) (weir.Head, error) {
	var newest weir.Head
	err := weir.Errorf(weir.NotFound, "asset %s has no head", asset)
	prefix := weir.AssetPrefix(organisation, asset) + "heads/"
	for after := ""; ; {
		list, listErr := s.Blobs.List(ctx, prefix, after, 100)
		if listErr != nil {
			return weir.Head{}, fmt.Errorf("list heads: %w", listErr)
		}
		if len(list) == 0 {
			break
		}
		for _, o := range list {
			after = o.Key
			h, readErr := s.read(ctx, o.Key)
			if readErr != nil {
				return weir.Head{}, readErr
			}
			if h.State == weir.Deleted {
				err = errDeleted
			} else if h.Revision > newest.Revision {
				newest = h
			}
		}
	}
	if newest.Revision > 0 {
		return newest, nil
	}
	return weir.Head{}, err
}

func (s *Service) read(ctx context.Context, key string) (weir.Head, error) {
	r, _, err := s.Blobs.Get(ctx, key, 0, -1, "")
	if err != nil {
		return weir.Head{}, fmt.Errorf("open head: %w", err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, weir.MaxHeadBytes+1))
	if err != nil {
		return weir.Head{}, fmt.Errorf("read head: %w", err)
	}
	return weir.ParseHead(b)
}
