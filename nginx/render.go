package nginx

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"net"
	"slices"
	"strings"
	"text/template"
)

//go:embed weir.conf.tmpl
var source string

var parsed = template.Must(template.New("weir.conf").Parse(source))

// view is what the template sees.
type view struct {
	Config
	Pid, Logs    string
	HSTSSeconds  int64
	RedirectPort string // ":8443", or "" for 443
}

// Render is the whole configuration, the same bytes for the same servers in any order. The error is Invalid.
func Render(c Config) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Limits = c.Limits.withDefaults()
	c.Edges, c.Gateways = set(c.Edges), set(c.Gateways)
	if len(c.Listen) == 0 {
		c.Listen = []string{"443"}
	}
	v := view{Config: c, Pid: "/run/nginx.pid", Logs: "/var/log/nginx", HSTSSeconds: int64(c.HSTS.Seconds())}
	if c.Folder != "" {
		v.Pid, v.Logs = c.Folder+"/nginx.pid", c.Folder
	}
	if port := portOf(c.Listen[0]); port != "443" {
		v.RedirectPort = ":" + port
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return out.Bytes(), nil
}

// set is a sorted copy without doubles.
func set(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func portOf(listen string) string {
	if _, port, err := net.SplitHostPort(listen); err == nil {
		return port
	}
	return listen
}

// Servers reads back the edges and gateways of a configuration that Render made; none of anything else.
func Servers(conf []byte) (edges, gateways []string) {
	var upstream string
	for line := range strings.Lines(string(conf)) {
		switch words := strings.Fields(line); {
		case len(words) == 3 && words[0] == "upstream" && words[2] == "{":
			upstream = words[1]
		case len(words) == 1 && words[0] == "}":
			upstream = ""
		case len(words) == 4 && words[0] == "server" && ValidServer(words[1]):
			switch upstream {
			case "weir_edges":
				edges = append(edges, words[1])
			case "weir_gateways":
				gateways = append(gateways, words[1])
			}
		}
	}
	return edges, gateways
}
