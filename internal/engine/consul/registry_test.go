package consul_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/consul"
	"github.com/weirstream/weir/internal/engine/enginetest"
)

const variable = "WEIR_TEST_CONSUL"

func TestRegistry(t *testing.T) {
	enginetest.Report(t, enginetest.Pass{Port: "Registry", Engine: "Consul", Version: version(t), Client: "hashicorp/consul/api"})
	enginetest.Registry(t, func(t *testing.T) weir.Registry { return open(t, address(t), "prefix="+prefix()) })
}

func TestRegistryFaults(t *testing.T) {
	enginetest.RegistryFaults(t, "consul", func(t *testing.T) enginetest.FaultyRegistry {
		proxy := enginetest.NewProxy(t, address(t))
		query := "grace=3s&prefix=" + prefix()
		return enginetest.FaultyRegistry{Proxy: proxy, Near: open(t, proxy.Addr(), query), Far: open(t, address(t), query)}
	})
}

// address is host:port of the real agent.
func address(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(enginetest.Address(t, variable))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// prefix makes a registry that nobody else has.
func prefix() string { return "test/" + weir.NewID(time.Now()) + "/" }

func open(t *testing.T, address, query string) *consul.Registry {
	t.Helper()
	r, err := consul.Open(t.Context(), "consul://"+address+"?"+query, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return r
}

func version(t *testing.T) string {
	t.Helper()
	var self struct{ Config struct{ Version string } }
	call(t, "GET", "/v1/agent/self", &self)
	return self.Config.Version
}

// call asks the real agent without the adapter.
func call(t *testing.T, method, path string, answer any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address(t)+path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
	if answer == nil {
		return
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}
