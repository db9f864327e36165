package nginx_test

import (
	"crypto/tls"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/engine/enginetest"
	"github.com/weirstream/weir/nginx"
)

// TestNginx holds the real nginx, with what Render makes, to what Weir needs of what stands in front of it.
func TestNginx(t *testing.T) {
	out, err := exec.Command(program(t), "-v").CombinedOutput()
	if err != nil {
		t.Fatalf("nginx -v: %v", err)
	}
	_, version, _ := strings.Cut(strings.TrimSpace(string(out)), "nginx/")
	enginetest.Report(t, enginetest.Pass{Port: "Front", Engine: "nginx", Version: version, Client: "weir nginx"})
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"EdgesByAsset", edgesByAsset},
		{"GatewaysByLoad", gatewaysByLoad},
		{"UploadsStay", uploadsStay},
		{"Connections", connections},
		{"DeadEdge", deadEdge},
		{"DeadBeforeTheFirstByte", deadBeforeTheFirstByte},
		{"DeadMidBody", deadMidBody},
		{"Nobody", nobody},
		{"A503IsAnAnswer", a503IsAnAnswer},
		{"Protocols", protocols},
		{"Fields", fields},
		{"Balancers", balancers},
		{"Hosts", hosts},
		{"Redirect", redirect},
		{"Streaming", streaming},
		{"Upload", upload},
		{"Events", events},
		{"Compression", compression},
		{"Limits", limits},
		{"NoLimits", noLimits},
		{"TicketsAreMasked", ticketsAreMasked},
		{"Reload", reload},
	} {
		t.Run(c.name, c.test)
	}
}

func protocols(t *testing.T) {
	edge, gateway := serve(t, nil), serve(t, nil)
	f := start(t, []*backend{edge}, []*backend{gateway})
	for http2, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		for path, server := range map[string]string{"/": gateway.addr, "/v1/titles": gateway.addr, "/t/x/asset/1/clear/hls/main.m3u8": edge.addr, "/livez": edge.addr} {
			if r := f.get(f.client(http2), path); r.status != 200 || r.proto != want || r.body != server {
				t.Errorf("GET %s = %d %s from %s, want 200 %s from %s", path, r.status, r.proto, r.body, want, server)
			}
		}
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", f.addr, &tls.Config{RootCAs: f.pool, MinVersion: version, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("%s: %v, want success %v", tls.VersionName(version), err, ok)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

func hosts(t *testing.T) {
	edge, gateway := serve(t, nil), serve(t, nil)
	f := start(t, []*backend{edge}, []*backend{gateway}, func(c *nginx.Config) {
		c.Names, c.MediaNames, c.HSTS = []string{"example.org"}, []string{"media.example.org"}, 1e12
	})
	c := f.client(true)
	for url, want := range map[string]string{
		"https://example.org/":                                   gateway.addr,
		"https://example.org/t/x/asset/1/clear/v/1.m4s":          gateway.addr,
		"https://localhost/":                                     gateway.addr, // which refuses names that are not its own
		"https://media.example.org/t/x/asset/1/clear/v/1.m4s":    edge.addr,
		"https://media.example.org/asset/1/clear/v/1.m4s?ticket": edge.addr,
		"https://media.example.org/livez":                        edge.addr,
		"https://media.example.org/v1/titles":                    edge.addr, // which knows no such path
	} {
		r, err := ask(t.Context(), c, "GET", url, "")
		if err != nil || r.body != want || r.header.Get("Strict-Transport-Security") != "max-age=1000" {
			t.Errorf("GET %s = %v %v from %s, want %s", url, err, r.header, r.body, want)
		}
	}
}

func redirect(t *testing.T) {
	plain := freeAddress(t)
	f := start(t, nil, nil, func(c *nginx.Config) { c.Redirect = []string{plain} })
	_, port, _ := strings.Cut(f.addr, ":")
	client := f.client(false)
	client.Transport = nil
	r, err := ask(t.Context(), client, "POST", "http://"+plain+"/v1/x?y=z", "body", "Host", "example.org")
	if want := "https://example.org:" + port + "/v1/x?y=z"; err != nil || r.status != 308 || r.header.Get("Location") != want {
		t.Errorf("plain HTTP = %v %d %v, want 308 to %s", err, r.status, r.header, want)
	}
}
