package main

import (
	"context"
	"strings"

	"github.com/weirstream/weir/control/catalog"
	"github.com/weirstream/weir/control/gateway"
	"github.com/weirstream/weir/control/ingest"
	"github.com/weirstream/weir/control/playback"
	"github.com/weirstream/weir/internal/web"
	pages "github.com/weirstream/weir/players/web"
)

// controlRoles wires ingest, catalog and playback behind one gateway.
func (p *process) controlRoles(context.Context) ([]role, error) {
	limits, edge := p.cmd.Limits, p.edgeBase()
	in, err := ingest.New(ingest.Config{Store: p.engines.Ingest, Blobs: p.engines.Blobs, Jobs: jobStatus{p.engines.Ledger, p.engines.Blobs},
		Dir: p.engines.Folder.Path("uploads"), MaxBytes: int64(limits.MaxUpload), Floor: int64(limits.FreeFloor), At: p.at, Log: p.log})
	if err != nil {
		return nil, err
	}
	titles := &catalog.Service{Store: p.engines.Catalog, Assets: in, Bus: p.engines.Bus, Log: p.log}
	play := &playback.Service{Assets: in, Keys: p.keys, Blobs: p.engines.Blobs, Edge: edge}

	api := web.NewAPI(version, p.log)
	if err := in.Register(api); err != nil {
		return nil, err
	}
	titles.Register(api)
	play.Register(api)
	g, err := gateway.New(gateway.Config{API: api, Pages: pages.FS(), Listen: p.pages.Addr().String(), Names: names(p.cmd.PublicHost), Proxies: p.proxies,
		Edge: edge, Token: p.token, Version: version, Log: p.log})
	if err != nil {
		return nil, err
	}
	return []role{
		{"ingest", in.Run},
		{"catalog", titles.Run},
		{"gateway", func(ctx context.Context) error { return g.Serve(ctx, p.pages, limits.StopWithin/2) }},
	}, nil
}

// names splits a comma-separated list.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
