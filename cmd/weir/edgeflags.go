package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/cmd/weir/peerflags"
	"github.com/weirstream/weir/edge"
	"github.com/weirstream/weir/edge/accesslog"
	"github.com/weirstream/weir/edge/cache/arena"
	"github.com/weirstream/weir/edge/token"
	"github.com/weirstream/weir/internal/keyring"
)

// edgeFlags are the media listener's.
type edgeFlags struct {
	Origin      string   `help:"Be a cache in front of this HTTP origin (http://HOST:PORT) instead of serving Weir's own media. Every method passes, nothing is rewritten. For --roles=edge." placeholder:"URL"`
	Tickets     string   `help:"Whether requests for --origin need a ticket: on or off." default:"on" enum:"on,off" placeholder:"on|off"`
	Tokens      string   `help:"Foreign tokens to take in place of tickets: a JSON list of formats and keys, or @FILE. See docs/tokens.md." placeholder:"@FILE"`
	Country     string   `help:"Field in which a trusted proxy says the client's country (ISO 3166), for tokens that ask for one." placeholder:"FIELD"`
	AccessLog   string   `help:"One JSON line for each request of the media listener: a file to append to, or - for standard error." placeholder:"FILE"`
	AccessFacts bool     `help:"Publish the same on the bus, as batches on the topic edge.access."`
	EdgeCert    string   `help:"PEM certificate chain: the media listener then speaks TLS 1.3 itself. Read anew when it changes." placeholder:"FILE" type:"path"`
	EdgeKey     string   `help:"PEM private key of --edge-cert." placeholder:"FILE" type:"path"`
	CachePages  string   `help:"Pages of the memory for cached segments: auto takes huge ones where the kernel gives them (see weir check), small, or huge." default:"auto" enum:"auto,small,huge" placeholder:"KIND"`
	Prefetch    string   `help:"Whether the edge reads what players ask for next before they do: on or off. What it fetches ahead is given up first when there is too much to do." default:"on" enum:"on,off" placeholder:"on|off"`
	DiskCache   string   `help:"Folder for segments that memory lets go, kept over restarts. Of this edge alone." placeholder:"DIR" type:"path"`
	DiskBytes   byteSize `name:"disk-cache-bytes" help:"Disk space for --disk-cache; 256MiB at least." default:"20GiB" placeholder:"SIZE"`
	ShareBytes  byteSize `name:"share-segments" help:"Largest segment, at most 4MiB, that edges with the same --cache share in it when it is used again; 0B shares none." default:"256KiB" placeholder:"SIZE"`

	Peering peerflags.Flags `embed:""`
}

// check refuses flags that do not go together. Errors are of kind Invalid.
func (f edgeFlags) check(has map[string]bool) error {
	if (f.EdgeCert == "") != (f.EdgeKey == "") {
		return weir.Errorf(weir.Invalid, "--edge-cert and --edge-key go together")
	}
	if err := f.Peering.Check(); err != nil {
		return err
	}
	if err := f.checkTiers(); err != nil || f.Origin == "" {
		return err
	}
	if f.DiskCache != "" {
		return weir.Errorf(weir.Invalid, "--disk-cache is for Weir's own media: what --origin gives is cached in memory")
	}
	if f.Tokens != "" && f.Tickets == "off" {
		return weir.Errorf(weir.Invalid, "--tokens are taken in place of tickets: with --tickets=off neither would be asked for")
	}
	if !has["edge"] || has["control"] || has["transcode"] {
		return weir.Errorf(weir.Invalid, "--origin makes an edge a cache of another server: run it with --roles=edge")
	}
	u, err := url.Parse(f.Origin)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return weir.Errorf(weir.Invalid, "--origin is scheme and host only, such as http://10.0.0.9:8000") // not repeated: it may hold a password
	}
	return nil
}

// signWithin bounds how long the signing key of an organisation is looked for the first time; it is in memory afterwards.
const signWithin = 2 * time.Second

// readTokens reads --tokens; without it the configuration is empty.
func (f edgeFlags) readTokens() (token.Config, error) {
	text, err := secret(f.Tokens)
	if text == "" || err != nil {
		return token.Config{}, err
	}
	config, err := token.ReadConfig([]byte(text))
	if err != nil {
		return token.Config{}, fmt.Errorf("--tokens: %w", err)
	}
	return config, nil
}

// takeTokens has the edge take what --tokens says.
func (f edgeFlags) takeTokens(s *edge.Server, keys *keyring.Keys) error {
	config, err := f.readTokens()
	if f.Tokens == "" || err != nil {
		return err
	}
	verifiers, err := config.Verifiers(&token.Once{})
	if err != nil {
		return fmt.Errorf("--tokens: %w", err)
	}
	s.Tokens = &edge.Tokens{Verifier: verifiers, SignWith: func(organisation string) (weir.TicketKey, error) {
		ctx, cancel := context.WithTimeout(context.Background(), signWithin)
		defer cancel()
		return keys.Current(ctx, organisation)
	}}
	if f.Country != "" {
		s.Tokens.Country = func(header func(string) []string) string {
			if lines := header(f.Country); len(lines) == 1 {
				return lines[0]
			}
			return ""
		}
	}
	return nil
}

// accessLog opens what --access-log and --access-facts ask for; nil is nothing. It is closed by closing file, if not nil.
func (p *process) accessLog() (log *accesslog.Log, file *os.File, err error) {
	f := p.cmd.Edge
	if f.AccessLog == "" && !f.AccessFacts {
		return nil, nil, nil
	}
	log = &accesslog.Log{Edge: p.engines.Folder.Name, Log: p.log}
	if f.AccessFacts {
		log.Bus = p.engines.Bus
	}
	switch f.AccessLog {
	case "":
	case "-":
		log.Out = os.Stderr
	default:
		if file, err = os.OpenFile(f.AccessLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640); err != nil {
			return nil, nil, fmt.Errorf("--access-log: %w", err)
		}
		log.Out = file
	}
	for name, read := range map[string]func(accesslog.Stats) int64{
		"recorded": func(s accesslog.Stats) int64 { return s.Recorded }, "dropped": func(s accesslog.Stats) int64 { return s.Dropped },
		"unpublished": func(s accesslog.Stats) int64 { return s.Unpublished }, "failures": func(s accesslog.Stats) int64 { return s.Failures },
	} {
		p.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "weir_edge_access_" + name + "_total",
			Help: "Access log: records " + name + "."}, func() float64 { return float64(read(log.Stats())) }))
	}
	return log, file, nil
}

// apply sets what the flags say.
func (f edgeFlags) apply(s *edge.Server, keys *keyring.Keys) error {
	if err := f.takeTokens(s, keys); err != nil {
		return err
	}
	s.Config.TLSCert, s.Config.TLSKey = f.EdgeCert, f.EdgeKey
	s.Config.NoPrefetch = f.Prefetch == "off"
	s.Config.Pages = map[string]arena.Pages{"auto": arena.Auto, "small": arena.Small, "huge": arena.Huge}[f.CachePages]
	if f.Origin == "" {
		return nil
	}
	u, err := url.Parse(f.Origin)
	if err != nil {
		return weir.Errorf(weir.Invalid, "--origin is no URL")
	}
	s.Generic = &edge.Generic{Origin: u, Tickets: f.Tickets == "on"}
	return nil
}
