package redis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/redis"
)

func TestParseURL(t *testing.T) {
	f := func(url, want string) {
		t.Helper()
		a, err := redis.ParseURL(url)
		if err != nil {
			t.Errorf("ParseURL(%q) = %v", url, err)
			return
		}
		if got := fmt.Sprintf("%+v", a); got != want {
			t.Errorf("ParseURL(%q) = %s, want %s", url, got, want)
		}
	}
	f("redis://127.0.0.1:6380", "{cluster:false tls:false nodes:[127.0.0.1:6380] user: password: db:0 prefix:weir:}")
	f("redis://cache/", "{cluster:false tls:false nodes:[cache:6379] user: password: db:0 prefix:weir:}")
	f("redis://[::1]:6380/3", "{cluster:false tls:false nodes:[[::1]:6380] user: password: db:3 prefix:weir:}")
	f("redis://:p%40%2Fs@h:1?prefix=", "{cluster:false tls:false nodes:[h:1] user: password:p@/s db:0 prefix:}")
	f("rediss://u:p@h:1/0?prefix=a%20b:", "{cluster:false tls:true nodes:[h:1] user:u password:p db:0 prefix:a b:}")
	f("redis-cluster://h1:1,h2,h3:3", "{cluster:true tls:false nodes:[h1:1 h2:6379 h3:3] user: password: db:0 prefix:weir:}")
	f("redis-cluster://u:p@h1:1,[::1]:2/?prefix=x", "{cluster:true tls:false nodes:[h1:1 [::1]:2] user:u password:p db:0 prefix:x}")
	f("rediss-cluster://h1:1/0", "{cluster:true tls:true nodes:[h1:1] user: password: db:0 prefix:weir:}")
}

// What is refused is Invalid, says what is possible, and shows no password.
func TestParseURLRefuses(t *testing.T) {
	for _, url := range []string{
		"", "redis", "redis:", "redis://", "http://h:1", "REDIS://h:1", "redis://u:secret@", "redis://u:secret@h:0", "redis://u:secret@h:70000",
		"redis://u:secret@h:x", "redis://u:secret@h1:1,h2:2", "redis-cluster://u:secret@h1:1,", "redis-cluster://h1:1/3", "redis://h:1/-1",
		"redis://h:1/x", "redis://h:1/1/2", "redis://u:secret@h:1?db=3", "redis://h:1?prefix=a&prefix=b", "redis://h:1?prefix={a}", "redis://h:1?prefix=%",
		"redis://u:secret%@h:1", "redis://u:secret/x@h:1", "redis://u:secret?x@h:1", "redis://u:secret#x@h:1", "redis://u:secret@h:1#x", "redis://::1:6379",
		"redis://u:secret%@h:1", "redis://u:secret@h:1#x", "redis://::1:6379", "redis://u:secret/more@h:1", "redis://u:secret", "redis://u:secret,more?@h:1",
	} {
		_, err := redis.Open(t.Context(), url, nil)
		if weir.KindOf(err) != weir.Invalid || err == nil {
			t.Errorf("Open(%q) = %v, want kind Invalid", url, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) = %v, which shows the password", url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://u:p@h:1/0?prefix=a")
	f.Add("redis-cluster://u:p@h1:1,[::1]:2/?prefix=x")
	f.Fuzz(func(t *testing.T, url string) {
		if _, err := redis.ParseURL(url); err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("ParseURL(%q) = %v, want kind Invalid", url, err)
		}
	})
}
