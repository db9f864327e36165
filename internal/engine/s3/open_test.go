package s3_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/engine/s3"
)

func TestURLs(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		err := s3.CheckURL(text)
		if want == "" && err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if want != "" && (weir.KindOf(err) != weir.Invalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: error = %v (kind %v), want an invalid URL, %q and no secret", text, err, weir.KindOf(err), want)
		}
	}
	f("s3://bucket", "")
	f("s3://bucket/", "")
	f("s3://bucket/some/prefix/", "")
	f("s3://id:secret@bucket/p?endpoint=https://host&path-style=1&region=eu-west-1&timeout=5s", "")
	f("s3://id:a%2Fb%2Bc@bucket", "")
	f("s3:bucket", "form s3://")
	f("s3://", "form s3://")
	f("http://bucket", "form s3://")
	f("s3://id:secret@bucket:x/", "form s3://")
	f("s3://bucket#x", "form s3://")
	f("s3://bucket/../x", "cannot begin object keys")
	f("s3://bucket/a%20b", "cannot begin object keys")
	f("s3://id:secret@bucket?endpiont=x", "possible, once each: endpoint, path-style, region, timeout")
	f("s3://bucket?region=a&region=b", "repeated")
	f("s3://bucket?%zz", "malformed")
	f("s3://secret@bucket", "s3://id:key@bucket")
	f("s3://:secret@bucket", "s3://id:key@bucket")
	f("s3://bucket?endpoint=localhost:9000", "http://host:port")
	f("s3://bucket?endpoint=http://a:secret@host", "http://host:port")
	f("s3://bucket?path-style=perhaps", "neither true nor false")
	f("s3://bucket?timeout=0s", "positive duration")
	f("s3://bucket?timeout=5", "positive duration")
}

func FuzzURL(f *testing.F) {
	f.Add("s3://id:secret@bucket/p?endpoint=https://host&path-style=1&region=eu-west-1&timeout=5s")
	f.Fuzz(func(t *testing.T, text string) {
		if err := s3.CheckURL(text); err != nil && weir.KindOf(err) != weir.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// edit changes an address.
func edit(t *testing.T, address string, f func(u *url.URL, q url.Values)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	f(u, q)
	u.RawQuery = q.Encode()
	return u.String()
}

// An operator reads in a sentence what is wrong.
func TestOpenSays(t *testing.T) {
	each(t, func(t *testing.T, _, address string) {
		f := func(kind weir.Kind, want string, change func(u *url.URL, q url.Values)) {
			t.Helper()
			b, err := s3.Open(t.Context(), edit(t, address, change), nil)
			if err == nil {
				t.Errorf("Open = %v, want %q", b.Close(), want)
			} else if weir.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
				t.Errorf("Open = %v (kind %v), want kind %v and %q", err, weir.KindOf(err), kind, want)
			}
		}
		f(weir.NotFound, `there is no bucket "no-such-bucket"`, func(u *url.URL, _ url.Values) { u.Host = "no-such-bucket" })
		f(weir.Forbidden, "refuses the credentials", func(u *url.URL, _ url.Values) { u.User = url.UserPassword("weir", "wrong") })
		f(weir.Unavailable, "cannot be reached at http://127.0.0.1:1", func(_ *url.URL, q url.Values) { q.Set("endpoint", "http://127.0.0.1:1") })
		b, err := s3.Open(t.Context(), edit(t, address, func(u *url.URL, q url.Values) { q.Del("region") }), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Nothing of the environment gives credentials, and the address of instance roles leads nowhere or to somebody who does not
// answer: Open says so, and does not wait for ever.
func TestOpenWithoutCredentials(t *testing.T) {
	for name, metadata := range map[string]string{"refused": "http://127.0.0.1:1", "silent": "http://" + hanging(t)} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION"} {
				t.Setenv(variable, "")
			}
			for _, variable := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
				t.Setenv(variable, t.TempDir()+"/none")
			}
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
			_, err := s3.Open(t.Context(), "s3://bucket?endpoint=http://127.0.0.1:1", nil)
			if weir.KindOf(err) != weir.Forbidden || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
				t.Errorf("Open = %v (kind %v), want forbidden, and where credentials may be", err, weir.KindOf(err))
			}
			if _, err = s3.Open(t.Context(), "s3://id:secret@bucket", nil); weir.KindOf(err) != weir.Invalid || !strings.Contains(err.Error(), "no region") {
				t.Errorf("Open = %v (kind %v), want invalid, and that there is no region", err, weir.KindOf(err))
			}
		})
	}
}

// hanging is the address of a listener that accepts and says nothing.
func hanging(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// What S3's answers mean that no server here can be brought to give.
func TestAnswers(t *testing.T) {
	f := func(status int, code string, want weir.Kind, opts weir.PutOptions) {
		t.Run(fmt.Sprint(status, code), func(t *testing.T) {
			t.Parallel()
			b := answering(t, func(int) (int, string) { return status, code })
			_, err := b.Put(t.Context(), "k", strings.NewReader("x"), opts)
			if err == nil || weir.KindOf(err) != want {
				t.Errorf("Put(%+v) = %v (kind %v), want kind %v", opts, err, weir.KindOf(err), want)
			}
			if _, _, err := b.Get(t.Context(), "k", 0, -1, ""); err == nil {
				t.Error("Get = nil")
			}
		})
	}
	f(403, "AccessDenied", weir.Internal, weir.PutOptions{})
	f(404, "NoSuchBucket", weir.Internal, weir.PutOptions{})
	f(404, "NoSuchKey", weir.Precondition, weir.PutOptions{IfMatch: "x"})
	f(412, "PreconditionFailed", weir.Precondition, weir.PutOptions{CreateOnly: true})
	f(507, "XMinioStorageFull", weir.Full, weir.PutOptions{})
	f(400, "EntityTooLarge", weir.TooLarge, weir.PutOptions{})
	f(501, "NotImplemented", weir.Internal, weir.PutOptions{})
	f(301, "PermanentRedirect", weir.Internal, weir.PutOptions{})
	f(503, "SlowDown", weir.Unavailable, weir.PutOptions{})
	f(502, "", weir.Unavailable, weir.PutOptions{}) // a proxy's
	f(409, "ConditionalRequestConflict", weir.Unavailable, weir.PutOptions{CreateOnly: true})
}

// What passes is tried again.
func TestAnswersThatPass(t *testing.T) {
	for status, code := range map[int]string{503: "SlowDown", 500: "InternalError", 409: "ConditionalRequestConflict", 400: "RequestTimeout", 429: "TooManyRequests"} {
		b := answering(t, func(n int) (int, string) {
			if n < 3 {
				return status, code
			}
			return 200, ""
		})
		if _, err := b.Put(t.Context(), "k", strings.NewReader("x"), weir.PutOptions{CreateOnly: true}); err != nil {
			t.Errorf("Put that is answered %d %s twice = %v", status, code, err)
		}
	}
}

// A store that takes long to make an object of parts says that all is well first, and then that it is not.
func TestLateRefusal(t *testing.T) {
	f := func(want weir.Kind, completes ...string) {
		t.Helper()
		b := answering(t, func(n int) (int, string) {
			if i := n - 4; i >= 0 && i < len(completes) { // after the start and two parts
				return 200, completes[i]
			}
			return 200, ""
		})
		_, err := b.Put(t.Context(), "k", strings.NewReader(strings.Repeat("x", 17<<20)), weir.PutOptions{CreateOnly: true})
		if err == nil || weir.KindOf(err) != want {
			t.Errorf("Put whose completion is answered %q = %v (kind %v), want kind %v", completes, err, weir.KindOf(err), want)
		}
	}
	f(weir.Precondition, "PreconditionFailed")
	f(weir.Full, "InternalError", "XMinioStorageFull")
	f(weir.Unavailable, "InternalError", "NoSuchUpload") // the first may have made the object, and another replaced it
	f(weir.Unavailable, "InternalError", "InvalidPart")  // the first may still be taking the parts together
}

// answering is a store that answers the n-th request after Open's as answer says.
func answering(t *testing.T, answer func(n int) (status int, code string)) *s3.Blobs {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Trim(r.URL.Path, "/") == "bucket" {
			_, _ = w.Write([]byte("<ListBucketResult/>"))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // who answers before he has heard all resets the connection
		status, code := answer(int(n.Add(1)))
		w.Header().Set("ETag", `"etag"`)
		w.WriteHeader(status)
		if code != "" && r.Method != http.MethodHead {
			_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>no</Message></Error>"))
		}
	}))
	t.Cleanup(server.Close)
	b, err := s3.Open(t.Context(), "s3://id:secret@bucket?path-style=true&region=us-east-1&endpoint="+server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
