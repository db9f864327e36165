// Package deps holds the module requirements while packages are being written.
package deps

import (
	_ "github.com/Eyevinn/dash-mpd/mpd"
	_ "github.com/Eyevinn/hls-m3u8/m3u8"
	_ "github.com/Eyevinn/mp4ff/avc"
	_ "github.com/Eyevinn/mp4ff/mp4"
	_ "github.com/alecthomas/kong"
	_ "github.com/danielgtaylor/huma/v2"
	_ "github.com/danielgtaylor/huma/v2/adapters/humago"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/grafov/m3u8"
	_ "github.com/landlock-lsm/go-landlock/landlock"
	_ "github.com/pressly/goose/v3"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/tus/tusd/v2/pkg/filestore"
	_ "github.com/tus/tusd/v2/pkg/handler"
	_ "github.com/valyala/fasthttp"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "modernc.org/sqlite"
)
