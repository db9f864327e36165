package weir_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// service is what scripts/compose.yaml says of one engine.
type service struct {
	image  string
	ports  []string // "127.0.0.1:5432:5432"
	health []string
}

// services reads scripts/compose.yaml, which keeps to a part of YAML that needs no library: two spaces a level, plain values
// on their line, lists as JSON or one item a line.
func services(t *testing.T) map[string]*service {
	t.Helper()
	text, err := os.ReadFile("scripts/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*service{}
	var path [5]string
	for i, line := range strings.Split(string(text), "\n") {
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		if body == "" || body[0] == '#' {
			continue
		}
		if indent%2 != 0 || indent/2 >= len(path) {
			t.Fatalf("scripts/compose.yaml:%d: %d spaces, want 0, 2, 4, 6 or 8", i+1, indent)
		}
		item, isItem := strings.CutPrefix(body, "- ")
		if !isItem {
			key, value, ok := strings.Cut(body, ":")
			if !ok || value != "" && value[0] != ' ' {
				t.Fatalf("scripts/compose.yaml:%d: %q, want KEY: VALUE", i+1, body)
			}
			path[indent/2], item = key, strings.TrimSpace(value)
			clear(path[indent/2+1:])
		}
		if path[0] != "services" || path[1] == "" {
			continue
		}
		if found[path[1]] == nil {
			found[path[1]] = &service{}
		}
		if err := found[path[1]].set(path[2], path[3], item); err != nil {
			t.Fatalf("scripts/compose.yaml:%d: %v", i+1, err)
		}
	}
	return found
}

func (s *service) set(key, sub, value string) error {
	switch {
	case key == "image":
		s.image = value
	case key == "ports" && value != "":
		s.ports = append(s.ports, value)
	case key == "healthcheck" && sub == "test":
		return json.Unmarshal([]byte(value), &s.health)
	case strings.HasPrefix(value, "["):
		var list []string
		if err := json.Unmarshal([]byte(value), &list); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// engines runs scripts/engines and returns its lines.
func engines(t *testing.T, args ...string) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("scripts/engines runs on Linux")
	}
	out, err := exec.Command("scripts/engines", args...).Output()
	if err != nil {
		t.Fatalf("scripts/engines %s: %v", strings.Join(args, " "), err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// nodes are services that are one engine together: kafka3-1, kafka3-2, kafka3-3.
var nodes = regexp.MustCompile(`-[123]$`)

func TestComposeIsTheEnginesOfTheScript(t *testing.T) {
	want := map[string]string{"mongo": "mongo:8.0"} // the genuine one is to be had as a container only
	for _, line := range engines(t, "images") {
		name, image, _ := strings.Cut(line, " ")
		want[name] = image
	}
	got := map[string]string{}
	exact := regexp.MustCompile(`:v?(RELEASE\.)?[0-9][-0-9.TZ]*$`)
	for name, s := range services(t) {
		got[nodes.ReplaceAllString(name, "")] = s.image
		if !exact.MatchString(s.image) {
			t.Errorf("%s: image %q, want an exact tag", name, s.image)
		}
		if len(s.health) < 2 || !strings.HasPrefix(s.health[0], "CMD") {
			t.Errorf("%s: health check %q, want CMD or CMD-SHELL and a command", name, s.health)
		}
		if len(s.ports) == 0 {
			t.Errorf("%s: no port is published", name)
		}
		for _, p := range s.ports {
			if !regexp.MustCompile(`^127\.0\.0\.1:\d+:\d+$`).MatchString(p) {
				t.Errorf("%s: port %q, want 127.0.0.1:N:N", name, p)
			}
		}
	}
	for name, image := range want {
		if got[name] != image {
			t.Errorf("scripts/compose.yaml: %s is %q, scripts/engines images says %q", name, got[name], image)
		}
	}
	for name := range got {
		if want[name] == "" {
			t.Errorf("scripts/compose.yaml: %s is no engine of the script", name)
		}
	}
}

func TestComposePublishesThePortsOfTheEnvironment(t *testing.T) {
	var published []string
	for _, s := range services(t) {
		for _, p := range s.ports {
			published = append(published, p[:strings.LastIndex(p, ":")])
		}
	}
	slices.Sort(published)
	if again := slices.Compact(slices.Clone(published)); len(again) != len(published) {
		t.Errorf("scripts/compose.yaml publishes a port twice: %q", published)
	}
	var named []string
	for _, line := range engines(t, "env", "--compose") {
		named = append(named, regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(line, -1)...)
	}
	slices.Sort(named)
	if !slices.Equal(named, published) {
		t.Errorf("scripts/engines env --compose names %q, scripts/compose.yaml publishes %q", named, published)
	}
}
