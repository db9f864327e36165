package main

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/transcode"
	"github.com/weirstream/weir/transcode/ffmpeg"
	"github.com/weirstream/weir/transcode/ladder"
	"github.com/weirstream/weir/transcode/sandbox"
)

// edgeRoles wires the media listener.
func (p *process) edgeRoles(context.Context) ([]role, error) {
	s := &edge.Server{
		Config: edge.Config{CacheBytes: int64(p.cmd.Limits.CacheBytes), DrainTimeout: p.cmd.Limits.StopWithin / 4, Proxies: p.proxies},
		Blobs:  p.engines.Blobs, Keys: p.keys.Lookup, Registerer: p.metrics, Log: p.log, At: p.at,
		Name: p.engines.Folder.Name,
	}
	if c := p.cmd.Engines.Cache; !engine.Embedded(c) { // a cache of this process alone would hold what the edge holds already
		s.Shared = p.engines.Cache
	}
	follow := p.followRulings()
	s.Rulings = p.rulings
	if err := p.cmd.Edge.apply(s, p.keys); err != nil {
		return nil, err
	}
	log, file, err := p.accessLog()
	if err != nil {
		return nil, err
	}
	s.Access = log
	peers, err := p.peers(s)
	if err != nil {
		return nil, err
	}
	tiers, closeDisk, err := p.tiers(s)
	if err != nil {
		return nil, err
	}
	p.ready.add("edge", s.Ready)
	return append(append(peers, tiers...), follow, role{"edge", func(ctx context.Context) error {
		defer closeDisk()
		return serveLogged(ctx, s, p.media, log, file)
	}}), nil
}

// serveLogged serves, and ends the access log after the last request.
func serveLogged(ctx context.Context, s *edge.Server, ln net.Listener, log *accesslog.Log, file *os.File) error {
	if log == nil {
		return s.Serve(ctx, ln)
	}
	logging, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- log.Run(logging) }()
	err := s.Serve(ctx, ln)
	stop()
	err = errors.Join(err, <-ended)
	if file != nil {
		err = errors.Join(err, file.Close())
	}
	return err
}

// transcodeRoles wires planner, worker, assembler and collector.
func (p *process) transcodeRoles(ctx context.Context) ([]role, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tool, err := ffmpeg.Version(ctx, sandbox.Run)
	if err != nil {
		return nil, weir.Errorf(weir.Unavailable, "ffmpeg does not run here; see `weir check`: %w", err)
	}
	c := p.cmd
	policy := transcode.Policy{Ladder: ladder.Policy{MaxHeight: c.Policy.MaxHeight}, Preset: c.Policy.Preset,
		SegmentSeconds: c.Policy.SegmentSeconds, ChunkSeconds: c.Policy.ChunkSeconds}
	if err := policy.Check(); err != nil {
		return nil, err
	}
	s := &transcode.Service{
		ID:     "worker-" + weir.NewID(time.Now()),
		Claims: p.engines.Ledger, Jobs: p.engines.Ledger, Blobs: p.engines.Blobs, Bus: p.engines.Bus, Deleted: p.engines.Ingest, Failed: p.engines.Ledger,
		Runner: sandbox.Run, Tool: tool, Policy: policy, Dir: p.engines.Folder.Path("work"),
		Slots: c.Limits.Slots, Lease: c.Limits.Lease, Grace: c.Limits.DeleteGrace, Now: time.Now, At: p.at, Log: p.log,
	}
	return []role{{"transcode", s.Run}}, nil
}
