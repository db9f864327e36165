package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	weir "github.com/weirstream/weir"
)

// cli is the grammar of the command line.
type cli struct {
	Config kong.ConfigFlag `help:"Read flags of all commands from this JSON file: {\"data\": \"/srv/weir\", \"max-height\": 720}. Unknown keys are errors." placeholder:"FILE" env:"WEIR_CONFIG"`

	Serve   serveCmd   `cmd:"" help:"Run the platform: every role in one process, or the ones named."`
	Ingest  ingestCmd  `cmd:"" help:"Upload a master, watch it become playable, print where it plays."`
	Ticket  ticketCmd  `cmd:"" help:"Print a fresh ticket for an asset and the URLs it opens."`
	Delete  deleteCmd  `cmd:"" help:"Delete an asset: 410 at the edge, its job cancelled, its objects collected later."`
	Nginx   nginxCmd   `cmd:"" help:"Write the configuration of the nginx in front, and keep it true to the registry."`
	Check   checkCmd   `cmd:"" help:"Say what this machine lacks, in words."`
	Bus     busCmd     `cmd:"" help:"Look at messages that could not be handled, and bring them back."`
	Purge   purgeCmd   `cmd:"" help:"Have all edges serve what is cached now no more, within two seconds."`
	Revoke  revokeCmd  `cmd:"" help:"End tickets on all edges before they expire, within two seconds."`
	Keys    keysCmd    `cmd:"" help:"Look at the keys that sign tickets, rotate them, end old ones."`
	Bench   benchCmd   `cmd:"" help:"Load a server as viewers would, and report what it did."`
	Version versionCmd `cmd:"" help:"Print the version of weir and of the tools it uses."`

	MigrateStore migrateCmd `cmd:"" help:"Copy everything from one set of engines to another, and verify it."`
}

const description = `Weir is a self-hosted streaming platform: masters go in, HLS and DASH play.

Examples:
  weir serve                                   everything on ./data, pages on http://localhost:8080
  weir serve --data /srv/weir --max-height 720
  weir ingest movie.mkv --title "My movie"     upload, encode, print the page to watch
  weir ingest movie.mkv --json | jq -r .hls    the same for scripts
  weir ticket 06fsz1...                        URLs for a player, valid for the film and six hours
  weir delete 06fsz1...

Every flag has a twin in the environment (--edge-listen is WEIR_EDGE_LISTEN) and in the --config file (edge-listen).
The command line goes before the environment, the environment before the file.

Exit codes: 0 done, 2 the master was refused (the reason is printed), 1 anything else.`

// options configures kong: help that teaches, environment twins, a configuration file without unknown keys.
func options(out, errOut io.Writer, exit func(int)) []kong.Option {
	return []kong.Option{
		kong.Name("weir"),
		kong.Description(description),
		kong.Writers(out, errOut),
		kong.Exit(exit),
		kong.DefaultEnvars("WEIR"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.ValueFormatter(describe),
		kong.Configuration(strictJSON),
	}
}

// describe is a flag's help with its default and its twin in the environment.
func describe(v *kong.Value) string {
	var notes []string
	if v.HasDefault && v.Default != "" {
		notes = append(notes, "default "+v.Default)
	}
	for _, name := range v.Tag.Envs {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return v.Help
	}
	return v.Help + " [" + strings.Join(notes, ", ") + "]"
}

// clientFlags are what commands that talk to a running weir share.
type clientFlags struct {
	Server string `help:"The running weir to talk to." default:"http://localhost:8080" placeholder:"URL"`
	Token  string `help:"Admin token, if the server asks for one; @FILE reads it from a file." name:"admin-token" placeholder:"TOKEN"`
	JSON   bool   `help:"Print one JSON object instead of text." name:"json"`
}

type serveCmd struct {
	Roles string `help:"Roles to run: edge, transcode, control, or all." default:"all" placeholder:"LIST"`
	Data  string `help:"The data folder; one process owns it." default:"./data" placeholder:"DIR" type:"path"`

	Listen         string `help:"Pages and API; port 0 is a free one. A non-loopback address needs --admin-token." default:"127.0.0.1:8080" placeholder:"ADDR"`
	EdgeListen     string `help:"Media." default:"127.0.0.1:8081" placeholder:"ADDR"`
	AdminListen    string `help:"Metrics, probes, pprof." default:"127.0.0.1:8082" placeholder:"ADDR"`
	EdgeURL        string `help:"Base URL players reach the edge at, if not --edge-listen of this machine. The control role without edge needs it." placeholder:"URL" name:"edge-url"`
	PublicHost     string `help:"Further host names (host or host:port, comma-separated) the pages are reached at." placeholder:"HOSTS"`
	Advertise      string `help:"Host at which other machines reach this process, for the registry; the addresses it listens on if not given." placeholder:"HOST"`
	TrustedProxies string `help:"Networks of the proxies in front, besides those on this machine: what they say of the client is believed." placeholder:"LIST"`
	AdminToken     string `help:"Token for the API, 16 characters or more; @FILE reads it from a file, unseen by ps." placeholder:"TOKEN"`

	Engines engineFlags `embed:""`
	Edge    edgeFlags   `embed:""`
	Policy  policyFlags `embed:""`
	Limits  limitFlags  `embed:""`

	LogLevel string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL"`
	JSON     bool   `help:"Print one JSON line with the addresses when ready, and log as JSON." name:"json"`
}

// engineFlags say where each port's engine is. The defaults live in the data folder.
type engineFlags struct {
	Blobs    string `help:"Objects: dir: is a folder in --data; s3://BUCKET?endpoint=URL." default:"dir:" placeholder:"URL"`
	Stores   string `help:"Ledger, ingest and catalog: sqlite: is a file in --data; postgres://HOST/DATABASE." default:"sqlite:" placeholder:"URL"`
	Bus      string `help:"Facts and wake-ups: sqlite: is a file in --data; kafka://HOST:PORT,..." default:"sqlite:" placeholder:"URL"`
	Cache    string `help:"Shared small objects: mem: is in process; redis://HOST:PORT, redis-cluster://HOST:PORT,..." default:"mem:" placeholder:"URL"`
	Registry string `help:"Instances and shared configuration: sqlite: is in process, kept in --data; consul://HOST:PORT." default:"sqlite:" placeholder:"URL"`
	RootKey  string `help:"The key that wraps every secret at rest, 64 hex digits; @FILE reads it from a file. Processes that share a registry need the same; alone it is made in --data." placeholder:"KEY"`
}

// policyFlags shape what is encoded.
type policyFlags struct {
	MaxHeight      int    `help:"Tallest rung of the ladder, in lines." default:"2160" placeholder:"LINES"`
	Preset         string `help:"x264 preset: ultrafast to veryslow." default:"veryfast" placeholder:"NAME"`
	SegmentSeconds int    `help:"Target length of a segment." default:"4" placeholder:"N"`
	ChunkSeconds   int    `help:"Target length of a chunk, the unit of work, once the first ones are out." default:"60" placeholder:"N"`
}

// limitFlags bound what is taken and kept.
type limitFlags struct {
	Slots       int           `help:"Tasks encoded side by side; 0 is one a core." default:"0" placeholder:"N"`
	MaxUpload   byteSize      `help:"Largest master." default:"64GiB" placeholder:"SIZE"`
	FreeFloor   byteSize      `help:"Uploads are refused when they would leave less free space than this." default:"1GiB" placeholder:"SIZE"`
	CacheBytes  byteSize      `help:"Memory for cached segments at the edge; 80MiB at least." default:"256MiB" placeholder:"SIZE"`
	Lease       time.Duration `help:"How long a silent worker keeps its task." default:"15s" placeholder:"DURATION"`
	DeleteGrace time.Duration `help:"How long the objects of a deleted asset are kept." default:"24h" placeholder:"DURATION"`
	StopWithin  time.Duration `help:"Bound of a graceful stop." default:"20s" placeholder:"DURATION"`
}

// check refuses what no part can do, before anything is opened. Errors are of kind Invalid.
func (c *serveCmd) check() error {
	l, p := c.Limits, c.Policy
	switch {
	case p.MaxHeight < 1 || p.SegmentSeconds < 1 || p.ChunkSeconds < 1:
		return weir.Errorf(weir.Invalid, "--max-height, --segment-seconds and --chunk-seconds are above 0")
	case l.Slots < 0:
		return weir.Errorf(weir.Invalid, "--slots is 0 or more")
	case l.MaxUpload < 1:
		return weir.Errorf(weir.Invalid, "--max-upload is above 0")
	case l.Lease < time.Second || l.StopWithin < time.Second:
		return weir.Errorf(weir.Invalid, "--lease and --stop-within are 1s or more")
	case l.DeleteGrace < 0:
		return weir.Errorf(weir.Invalid, "--delete-grace is 0s or more")
	}
	return nil
}

// secret reads @FILE values and trims them.
func secret(value string) (string, error) {
	name, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return value, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
