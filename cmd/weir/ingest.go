package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/client"
)

// ingestCmd uploads a master and stays until it is complete.
type ingestCmd struct {
	File   string      `arg:"" help:"The master: mp4, mov, mkv, webm, ts, mxf, avi, wav, flac ..." type:"existingfile"`
	Title  string      `help:"Name of the title; the file's name if not given." placeholder:"TEXT"`
	Client clientFlags `embed:""`
}

// ingestResult is what --json prints.
type ingestResult struct {
	Asset    string  `json:"asset"`
	HLS      string  `json:"hls"`
	DASH     string  `json:"dash"`
	Watch    string  `json:"watch"`
	Playable float64 `json:"playable_seconds"` // from the upload's end to the first listed segments
	Complete float64 `json:"complete_seconds"` // from the upload's end to the last
}

// Run uploads, follows the job and prints where the asset plays. A refused master is exit code 2 with its reason.
func (c ingestCmd) Run(e env) error {
	api, err := c.Client.open()
	if err != nil {
		return err
	}
	title := c.Title
	if title == "" {
		base := filepath.Base(c.File)
		title = strings.TrimSuffix(base, filepath.Ext(base))
	}
	p := newProgress(e.errOut, !c.Client.JSON, time.Now)
	asset, err := api.Upload(e.ctx, c.File, title, p.upload)
	if e.ctx.Err() != nil {
		return errors.New("stopped before the upload was complete: nothing will be encoded")
	}
	if err != nil {
		return fmt.Errorf("upload %s: %w", c.File, c.Client.explain(err))
	}
	watch := strings.TrimSuffix(c.Client.Server, "/") + "/watch/" + asset
	uploaded := time.Now()
	var playable time.Time
	status, err := api.Watch(e.ctx, asset, func(s client.Status) {
		if (s.Playable || s.Final()) && playable.IsZero() {
			playable = time.Now()
		}
		p.status(s)
	})
	if e.ctx.Err() != nil {
		return fmt.Errorf("stopped watching; the server goes on with %s, see %s", asset, watch)
	}
	if err != nil {
		return fmt.Errorf("follow %s: %w", asset, c.Client.explain(err))
	}
	if err := outcome(status); err != nil {
		return err
	}
	play, err := api.Playback(e.ctx, asset)
	if err != nil {
		return fmt.Errorf("ask for a ticket: %w", c.Client.explain(err))
	}
	r := ingestResult{Asset: asset, HLS: play.HLS, DASH: play.DASH, Watch: watch,
		Playable: playable.Sub(uploaded).Seconds(), Complete: time.Since(uploaded).Seconds()}
	if c.Client.JSON {
		return json.NewEncoder(e.out).Encode(r)
	}
	fmt.Fprintf(e.out, "asset  %s\nhls    %s\ndash   %s\nwatch  %s\n", r.Asset, r.HLS, r.DASH, r.Watch)
	return nil
}

// outcome is nil for a complete asset. One that failed before there was a plan was refused: it is the file's fault.
func outcome(s client.Status) error {
	switch {
	case s.State == "complete":
		return nil
	case s.State == "failed" && s.TotalSegments == 0:
		return refusedError{s.Reason}
	case s.Reason == "":
		return fmt.Errorf("the asset is %s", s.State)
	}
	return fmt.Errorf("the asset is %s: %s", s.State, s.Reason)
}
