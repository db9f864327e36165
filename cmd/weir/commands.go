package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/client"
)

// version is set when the binary is built.
var version = "dev"

// open makes the client of a running weir.
func (f clientFlags) open() (*client.Client, error) {
	token, err := secret(f.Token)
	if err != nil {
		return nil, err
	}
	if !isWebURL(f.Server) {
		return nil, weir.Errorf(weir.Invalid, "--server %q is not a URL such as http://localhost:8080", f.Server)
	}
	return client.New(f.Server, token), nil
}

// explain says what to do when nobody answers.
func (f clientFlags) explain(err error) error {
	if lost, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("no weir answers at %s: start one with `weir serve`, or say with --server where it runs (%w)", f.Server, lost.Err)
	}
	return err
}

// isWebURL says whether s can be asked over HTTP.
func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// versionCmd prints versions.
type versionCmd struct{}

// Run prints the version of weir, of Go and of ffmpeg.
func (versionCmd) Run(e env) error {
	fmt.Fprintf(e.out, "weir %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-version").Output()
	if err != nil {
		fmt.Fprintln(e.out, "ffmpeg: none found; try: weir check")
		return nil
	}
	first, _, _ := strings.Cut(string(out), "\n")
	fmt.Fprintln(e.out, first)
	return nil
}

// ticketCmd mints a ticket through the playback service.
type ticketCmd struct {
	Asset  string      `arg:"" help:"The asset's id, as ingest printed it."`
	Client clientFlags `embed:""`
}

// Run prints the ticket, its end and the URLs it opens.
func (c ticketCmd) Run(e env) error {
	api, err := c.Client.open()
	if err != nil {
		return err
	}
	p, err := api.Playback(e.ctx, c.Asset)
	if err != nil {
		return fmt.Errorf("ask for a ticket: %w", c.Client.explain(err))
	}
	if c.Client.JSON {
		return json.NewEncoder(e.out).Encode(p)
	}
	fmt.Fprintf(e.out, "ticket   %s\nexpires  %s\nhls      %s\ndash     %s\n", p.Ticket, p.Expires.Format(time.RFC3339), p.HLS, p.DASH)
	return nil
}

// deleteCmd deletes an asset.
type deleteCmd struct {
	Asset  string      `arg:"" help:"The asset's id, as ingest printed it."`
	Client clientFlags `embed:""`
}

// Run deletes the asset; the edge answers 410 within two seconds of it.
func (c deleteCmd) Run(e env) error {
	api, err := c.Client.open()
	if err != nil {
		return err
	}
	if err := api.DeleteAsset(e.ctx, c.Asset); err != nil {
		return fmt.Errorf("delete %s: %w", c.Asset, c.Client.explain(err))
	}
	if c.Client.JSON {
		return json.NewEncoder(e.out).Encode(map[string]string{"asset": c.Asset, "state": "deleted"})
	}
	fmt.Fprintf(e.out, "Deleted %s. Its objects are removed after the grace time.\n", c.Asset)
	return nil
}
