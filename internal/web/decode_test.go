package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/web"
)

func TestDecode(t *testing.T) {
	f := func(contentType, body string, want weir.Kind, fine bool) {
		t.Helper()
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		var v struct {
			A string `json:"a"`
		}
		err := web.Decode(httptest.NewRecorder(), r, 20, &v)
		if (err == nil) != fine || !fine && weir.KindOf(err) != want || fine && v.A != "x" {
			t.Errorf("Decode(%s %q) = %q, %v, want fine %v or %v", contentType, body, v.A, err, fine, want)
		}
	}
	f("application/json", `{"a":"x"}`, 0, true)
	f("application/json; charset=utf-8", ` {"a":"x"} `, 0, true)
	f("text/plain", `{"a":"x"}`, weir.Invalid, false)
	f("", `{"a":"x"}`, weir.Invalid, false)
	f("application/json", `{"a":"x","b":1}`, weir.Invalid, false)
	f("application/json", `{"a":"y","a":"x"}`, weir.Invalid, false)
	f("application/json", `{"A":"x"}`, weir.Invalid, false)
	f("application/json", `{"a":"x"}1`, weir.Invalid, false)
	f("application/json", `{"a":1}`, weir.Invalid, false)
	f("application/json", ``, weir.Invalid, false)
	f("application/json", `{"a":"xxxxxxxxxxxxxxxxx"}`, weir.TooLarge, false)
}
