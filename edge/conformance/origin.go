package conformance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// seen is a request as the origin got it.
type seen struct {
	method, target, body string
	header               http.Header
}

// script is the origin's side of one case.
type script struct {
	c *Case

	mu   sync.Mutex // guards all below
	seen []seen
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *script) last() (seen, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		return seen{}, false
	}
	return s.seen[len(s.seen)-1], true
}

// Origin is the server that cases are answered by.
type Origin struct {
	server *httptest.Server

	mu      sync.Mutex // guards scripts
	scripts map[string]*script
}

// NewOrigin starts an origin on the loopback interface. Close ends it.
func NewOrigin() *Origin {
	o := &Origin{scripts: map[string]*script{}}
	o.server = httptest.NewUnstartedServer(o)
	o.server.Config.ErrorLog = quiet()
	o.server.Start()
	return o
}

// Address is where it listens, host:port.
func (o *Origin) Address() string { return o.server.Listener.Addr().String() }

// Close ends the server.
func (o *Origin) Close() { o.server.Close() }

func (o *Origin) begin(key string, c *Case) *script {
	s := &script{c: c}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scripts[key] = s
	return s
}

// ServeHTTP answers with what the case in the path says is next.
func (o *Origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.RequestURI, "/case/")
	key, _, _ := strings.Cut(rest, "/")
	o.mu.Lock()
	s := o.scripts[key]
	o.mu.Unlock()
	if s == nil {
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	if len(r.TransferEncoding) > 0 {
		header["Transfer-Encoding"] = r.TransferEncoding
	}
	s.mu.Lock()
	s.seen = append(s.seen, seen{r.Method, r.RequestURI, string(body), header})
	n := len(s.seen)
	s.mu.Unlock()
	a := &s.c.Answers[min(n, len(s.c.Answers))-1]
	time.Sleep(a.Delay)
	a.write(w, r, s.c.bodyOf(n))
}

// bodyOf is the body of the origin's n-th answer.
func (c *Case) bodyOf(n int) string {
	a := &c.Answers[min(n, len(c.Answers))-1]
	body := a.Body
	if body == "" {
		body = fmt.Sprintf("<%s #%d>", c.ID, n)
	}
	if a.Size > 0 {
		body = strings.Repeat(body, a.Size/len(body)+1)[:a.Size]
	}
	return body
}

func (a *Answer) write(w http.ResponseWriter, r *http.Request, body string) {
	if a.Fault == Refuse {
		if c := hijack(w); c != nil {
			_ = c.Close()
		}
		return
	}
	h := w.Header()
	for _, line := range a.Header {
		name, value, _ := strings.Cut(line, ":")
		if value = dates(strings.TrimSpace(value)); value == "" && name == "Date" {
			h["Date"] = nil
			continue
		}
		h[name] = append(h[name], value)
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if status == http.StatusNotModified && r.Header.Get("If-None-Match") == "" && r.Header.Get("If-Modified-Since") == "" {
		status = http.StatusOK // nobody asked for a comparison
	}
	if status == http.StatusNotModified { // net/http would leave fields out
		if c := hijack(w); c != nil {
			defer c.Close()
			_, _ = fmt.Fprintf(c, "HTTP/1.1 304 Not Modified\r\n")
			if h.Get("Date") == "" {
				h.Set("Date", dates("{now}"))
			}
			_ = h.Write(c)
			_, _ = io.WriteString(c, "\r\n")
		}
		return
	}
	if a.Ranges && status == http.StatusOK {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		return
	}
	if status == http.StatusNoContent || r.Method == http.MethodHead && h.Get("Content-Length") != "" {
		w.WriteHeader(status)
		return
	}
	if _, ok := h["Content-Type"]; !ok {
		h.Set("Content-Type", "text/plain")
	}
	if a.Fault == Cut {
		c := hijack(w)
		if c == nil {
			return
		}
		defer c.Close()
		framing, part := "Content-Length: "+strconv.Itoa(len(body)), body[:len(body)/2]
		if a.Chunks {
			framing, part = "Transfer-Encoding: chunked", strconv.FormatInt(int64(len(part)), 16)+"\r\n"+part+"\r\n"
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %d Cut\r\nDate: %s\r\n%s\r\n", status, dates("{now}"), framing)
		_ = h.Write(c)
		_, _ = fmt.Fprintf(c, "\r\n%s", part)
		return
	}
	if !a.Chunks {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if a.Chunks {
		_, _ = io.WriteString(w, body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		body = body[len(body)/2:]
	}
	_, _ = io.WriteString(w, body)
}

func hijack(w http.ResponseWriter) net.Conn {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	return c
}

var datePattern = regexp.MustCompile(`\{now([+-]\d+)?(:rfc850|:asctime)?\}`)

// dates puts HTTP-dates in the place of {now-90}. They are whole minutes of the run's start for fields that a client
// compares, so that one text means one time within a case.
func dates(s string) string {
	return datePattern.ReplaceAllStringFunc(s, func(m string) string {
		parts := datePattern.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[1])
		t := time.Now().UTC()
		if n <= -1000 || n >= 1000 {
			t = epoch
		}
		t = t.Add(time.Duration(n) * time.Second)
		switch parts[2] {
		case ":rfc850":
			return t.Format("Monday, 02-Jan-06 15:04:05 GMT")
		case ":asctime":
			return t.Format(time.ANSIC)
		}
		return t.Format(http.TimeFormat)
	})
}

// epoch is the time that far dates are counted from.
var epoch = time.Now().UTC()
