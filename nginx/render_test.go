package nginx_test

import (
	"flag"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/nginx"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// example is the configuration in weir.conf.example.
func example() nginx.Config {
	return nginx.Config{
		Redirect: []string{"80"}, Names: []string{"example.org"},
		Certificate: "/etc/weir/tls/fullchain.pem", Key: "/etc/weir/tls/key.pem",
		Edges:    []string{"10.0.0.21:8081", "10.0.0.22:8081", "edge-3.internal:8081"},
		Gateways: []string{"10.0.0.11:8080", "10.0.0.12:8080"},
	}
}

// everything has every field set.
func everything() nginx.Config {
	c := example()
	c.Listen = []string{"8443", "[::]:8443"}
	c.MediaNames = []string{"media.example.org", "*.media.example.org"}
	c.Balancers = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	c.HSTS = 365 * 24 * time.Hour
	c.Folder = "/srv/weir nginx"
	c.User = "www-data"
	c.Limits = nginx.Limits{Login: nginx.Rate{PerMinute: 1, Burst: 2}, Connections: 7}
	return c
}

func render(t testing.TB, c nginx.Config) string {
	t.Helper()
	b, err := nginx.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGolden(t *testing.T) {
	open := everything()
	open.MediaNames, open.Limits.Off, open.Edges, open.Redirect = nil, true, nil, nil
	for file, c := range map[string]nginx.Config{"weir.conf.example": example(), "testdata/two-hosts.conf": everything(), "testdata/no-edges.conf": open} {
		got := render(t, c)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s is not what Render makes; go test ./nginx -run TestGolden -update rewrites it:\n%s", file, diff)
		}
	}
}

func TestOrderAndDoublesDoNotMatter(t *testing.T) {
	c := example()
	want := render(t, c)
	slices.Reverse(c.Edges)
	c.Edges = append(c.Edges, c.Edges[0])
	slices.Reverse(c.Gateways)
	if diff := cmp.Diff(want, render(t, c)); diff != "" {
		t.Errorf("the same servers in another order are another configuration:\n%s", diff)
	}
	if c.Edges[0] != "edge-3.internal:8081" {
		t.Error("Render changes its caller's list")
	}
}

func TestServers(t *testing.T) {
	f := func(conf string, edges, gateways []string) {
		t.Helper()
		e, g := nginx.Servers([]byte(conf))
		if !slices.Equal(e, edges) || !slices.Equal(g, gateways) {
			t.Errorf("Servers = %q, %q, want %q, %q", e, g, edges, gateways)
		}
	}
	c := everything()
	f(render(t, c), c.Edges, c.Gateways)
	c.Edges = nil
	f(render(t, c), nil, c.Gateways)
	f("", nil, nil)
	f("http { server { listen 80; } }", nil, nil)
	f("upstream weir_edges {\n server 10.0.0.1:1 max_fails=2 fail_timeout=5s;\n}\n server 10.0.0.2:1 a b;", []string{"10.0.0.1:1"}, nil)
}

func TestWhatIsNoWordIsRefused(t *testing.T) {
	f := func(change func(*nginx.Config, string), values ...string) {
		t.Helper()
		for _, v := range values {
			c := everything()
			change(&c, v)
			if b, err := nginx.Render(c); weir.KindOf(err) != weir.Invalid {
				t.Errorf("Render with %q = %.60q, %v, want Invalid", v, b, err)
			}
		}
	}
	server := []string{"", "10.0.0.1", "10.0.0.1:", ":80", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:080", "10.0.0.1:http", "::1:80", "[::1]", "[fe80::1%eth0]:80",
		"0.0.0.0:80", "[::]:80", "224.0.0.1:80", "unix:/run/x.sock", "unix:80", "Unix:80", "a b:80", "a;b:80", "a:80;", "a:80 backup", "a:80\n", "\na:80", "$host:80",
		"http://a:80", "a:80/", "-a:80", "a-:80", "a..b:80", "é:80", "a:80\x00", "a{:80", "a#:80", `"a":80`, strings.Repeat("a", 64) + ":80", strings.Repeat("a.", 130) + "a:80"}
	f(func(c *nginx.Config, v string) { c.Edges = []string{"10.0.0.1:80", v} }, server...)
	f(func(c *nginx.Config, v string) { c.Gateways = []string{v} }, server...)
	listen := []string{"", "0", "65536", "0443", "443 ssl", "443;", "example.org:443", "*:443", "[::1%lo]:443", "10.0.0.1:0", "10.0.0.1", "unix:/x", "443\n"}
	f(func(c *nginx.Config, v string) { c.Listen = []string{"443", v} }, listen...)
	f(func(c *nginx.Config, v string) { c.Redirect = []string{v} }, listen...)
	name := []string{"", "_", "~^(.*)$", "a b", "a;", "*", "*.*.org", "a.*", ".example.org", "example.org.", "example.org:443", "$host", "a\n", "é.org"}
	f(func(c *nginx.Config, v string) { c.Names = []string{v} }, name...)
	f(func(c *nginx.Config, v string) { c.MediaNames = []string{"media.example.org", v} }, name...)
	file := []string{"", "tls.pem", "./tls.pem", "/a/../b", "/a//b", "/a/", "/a\"b", "/a'b", "/a;b", "/a\\b", "/$a", "/a{b", "/a#b", "/a\nb", "/a\x00b", "/\xff"}
	f(func(c *nginx.Config, v string) { c.Certificate = v }, file...)
	f(func(c *nginx.Config, v string) { c.Key = v }, file...)
	f(func(c *nginx.Config, v string) { c.Folder = v }, file[1:]...)
	f(func(c *nginx.Config, v string) { c.User = v }, "a b", "root;", "Root", "-x", "a\n")
	f(func(c *nginx.Config, _ string) { c.HSTS = -1 }, "HSTS")
	f(func(c *nginx.Config, _ string) { c.Balancers = []netip.Prefix{{}} }, "no network")
}

// Every field's value is one word of the configuration, or Render refuses it: what is rendered is what is rendered of
// harmless values, with the values in their places.
func FuzzRender(f *testing.F) {
	f.Add("10.0.0.1:80", "edge.internal:8081", "example.org", "/etc/tls.pem", "8443", "www-data")
	f.Add("[2001:db8::1]:80", "a:1", "*.example.org", "/with space", "[::]:443", "nginx")
	f.Add("10.0.0.1:80; }", "a:1\nserver evil:80", "example.org; return 200", "/x\"; include \"/etc/passwd", "443 ssl;", "root;")
	f.Fuzz(func(t *testing.T, edge, gateway, name, file, listen, user string) {
		c := nginx.Config{Edges: []string{edge}, Gateways: []string{gateway}, Names: []string{name}, MediaNames: []string{name},
			Certificate: file, Key: file, Folder: file, Listen: []string{listen}, User: user}
		got, err := nginx.Render(c)
		if err != nil {
			if weir.KindOf(err) != weir.Invalid {
				t.Errorf("Render(%+v) = %v, want Invalid or nothing", c, err)
			}
			return
		}
		tame := nginx.Config{Edges: []string{"edge-edge:65001"}, Gateways: []string{"gateway-gateway:65002"}, Names: []string{"name-name"},
			MediaNames: []string{"name-name"}, Certificate: "/file-file", Key: "/file-file", Folder: "/file-file", Listen: []string{"65003"}, User: "user-user"}
		if user == "" {
			tame.User = ""
		}
		want := strings.NewReplacer("edge-edge:65001", edge, "gateway-gateway:65002", gateway, "name-name", name, "/file-file", file,
			"65003", listen, "user-user", user).Replace(render(t, tame))
		if string(got) != want {
			t.Errorf("Render(%+v):\n%s", c, cmp.Diff(want, string(got)))
		}
		word := regexp.MustCompile(`^[A-Za-z0-9._:*\[\]-]+$`)
		for _, v := range []string{edge, gateway, name, listen} {
			if !word.MatchString(v) {
				t.Errorf("%q is taken as one word", v)
			}
		}
		if e, g := nginx.Servers(got); !slices.Equal(e, c.Edges) || !slices.Equal(g, c.Gateways) {
			t.Errorf("Servers = %q, %q of %+v", e, g, c)
		}
	})
}

// What stands in a file from before is never more than servers.
func FuzzServers(f *testing.F) {
	f.Add([]byte(render(f, example())))
	f.Add([]byte("upstream weir_edges {\nserver x;y:80 a b;\n}"))
	f.Fuzz(func(t *testing.T, conf []byte) {
		c := example()
		c.Edges, c.Gateways = nginx.Servers(conf)
		if _, err := nginx.Render(c); err != nil {
			t.Errorf("Servers(%q) = %q, %q: %v", conf, c.Edges, c.Gateways, err)
		}
	})
}
