package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// stepTimeout bounds one request.
const stepTimeout = 8 * time.Second

// Outcome is what became of a case. Err is nil if it holds; it names the step.
type Outcome struct {
	Case *Case
	Err  error
}

// Run plays cases against the cache at address, which asks origin, so many at a time. name makes the URLs of this run its
// own. It returns when all are done, in their order.
func Run(ctx context.Context, address string, origin *Origin, name string, cases []Case, parallel int) []Outcome {
	out := make([]Outcome, len(cases))
	next := make(chan int)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for i := range next {
				out[i] = Outcome{&cases[i], play(ctx, address, origin, name, &cases[i])}
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	workers.Wait()
	return out
}

// play plays one case.
func play(ctx context.Context, address string, origin *Origin, name string, c *Case) error {
	key := name + "-" + c.ID
	s := origin.begin(key, c)
	for i := range c.Steps {
		step := &c.Steps[i]
		if step.Pause > 0 {
			select {
			case <-time.After(step.Pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		clients := max(step.Clients, 1)
		results := make([]*result, clients)
		errs := make([]error, clients)
		var wait sync.WaitGroup
		for k := range clients {
			wait.Go(func() { results[k], errs[k] = step.send(ctx, address, "/case/"+key+"/"+step.Path) })
		}
		wait.Wait()
		for k, r := range results {
			if errs[k] != nil {
				return fmt.Errorf("step %d: %w", i+1, errs[k])
			}
			r.script = s
			for _, want := range step.Want {
				if err := want.hold(r); err != nil {
					return fmt.Errorf("step %d: %w", i+1, err)
				}
			}
		}
	}
	return nil
}

// result is an answer as a client got it.
type result struct {
	script *script
	status int
	header http.Header
	body   string
	broken error // how the body ended, if not well
}

// send asks on a connection of its own.
func (s *Step) send(ctx context.Context, address, target string) (*result, error) {
	c, err := (&net.Dialer{Timeout: stepTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return nil, err
	}
	method, proto := s.Method, s.Proto
	if method == "" {
		method = "GET"
	}
	if proto == "" {
		proto = "HTTP/1.1"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", method, target, proto, s.host())
	closes := "close"
	for _, line := range s.Header {
		name, value, _ := strings.Cut(line, ":")
		if name == "Host" {
			continue
		}
		if name == "Connection" {
			closes += "," + value
			continue
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, dates(strings.TrimSpace(value)))
	}
	fmt.Fprintf(&b, "Connection: %s\r\n", closes)
	expects := strings.Contains(b.String(), "Expect: 100-continue")
	if s.Body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.Body))
	}
	b.WriteString("\r\n")
	if !expects {
		b.WriteString(s.Body)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	return s.receive(c, method, expects)
}

// host is the request's Host.
func (s *Step) host() string {
	for _, line := range s.Header {
		if host, ok := strings.CutPrefix(line, "Host: "); ok {
			return host
		}
	}
	return "conformance.test"
}

// receive reads the answer. The body of a request that expects 100 is sent when it comes.
func (s *Step) receive(c net.Conn, method string, expects bool) (*result, error) {
	r := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			if expects && res.StatusCode == http.StatusContinue {
				expects = false
				if _, err := io.WriteString(c, s.Body); err != nil {
					return nil, err
				}
			}
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		return &result{status: res.StatusCode, header: res.Header, body: string(body), broken: err}, nil
	}
}

// hold says how the check does not hold.
func (c Check) hold(r *result) error {
	if c.Only != 0 && c.Only != r.status {
		return nil
	}
	value, present := strings.Join(r.header.Values(c.Name), ", "), len(r.header.Values(c.Name)) > 0
	field := func(ok bool) error {
		if ok {
			return nil
		}
		return fmt.Errorf("%s %s %q %s: it is %q", c.What, c.Name, dates(c.Value), bounds(c), value)
	}
	switch c.What {
	case "status":
		if r.status != c.Min && r.status != c.Max {
			return fmt.Errorf("status is %d, want %s", r.status, bounds(c))
		}
	case "failed":
		if r.status < 500 {
			return fmt.Errorf("status is %d, want an error", r.status)
		}
	case "has":
		return field(present && value == dates(c.Value))
	case "contains":
		return field(strings.Contains(value, dates(c.Value)))
	case "present":
		return field(present)
	case "lacks":
		return field(!present)
	case "without":
		return field(!strings.Contains(value, c.Value))
	case "between":
		n, err := strconv.Atoi(value)
		return field(err == nil && n >= c.Min && n <= c.Max)
	case "cachestatus", "nocachestatus":
		member, ok := lastMember(r.header.Values("Cache-Status"))
		has := false
		for _, p := range strings.Split(member, ";")[1:] {
			has = has || strings.TrimSpace(p) == c.Value
		}
		if !ok || has != (c.What == "cachestatus") {
			return fmt.Errorf("Cache-Status is %q: %s %q", r.header.Values("Cache-Status"), c.What, c.Value)
		}
	case "cachestatusbetween":
		member, _ := lastMember(r.header.Values("Cache-Status"))
		for _, p := range strings.Split(member, ";") {
			text, ok := strings.CutPrefix(strings.TrimSpace(p), c.Value+"=")
			if n, err := strconv.Atoi(text); ok && err == nil && n >= c.Min && n <= c.Max {
				return nil
			}
		}
		return fmt.Errorf("Cache-Status is %q, want %s of %s", r.header.Values("Cache-Status"), c.Value, bounds(c))
	default:
		return c.content(r)
	}
	return nil
}

// content is hold for bodies and for what the origin saw.
func (c Check) content(r *result) error {
	want := func(body string) error {
		if r.body != body || r.broken != nil {
			return fmt.Errorf("body is %.80q (%d bytes, end: %v), want %.80q (%d bytes)", r.body, len(r.body), r.broken, body, len(body))
		}
		return nil
	}
	switch c.What {
	case "from":
		return want(r.script.c.bodyOf(c.Min))
	case "body":
		return want(c.Value)
	case "partial":
		whole := r.script.c.bodyOf(int(c.Name[0] - '0'))
		switch r.status {
		case http.StatusOK:
			return want(whole)
		case http.StatusPartialContent:
			if got, fits := r.header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", c.Min, c.Max, len(whole)); got != fits {
				return fmt.Errorf("Content-Range is %q, want %q", got, fits)
			}
			return want(whole[c.Min : c.Max+1])
		}
		return fmt.Errorf("status is %d, want 200 or 206", r.status)
	case "part":
		return want(r.script.c.bodyOf(int(c.Name[0] - '0'))[c.Min : c.Max+1])
	case "inbody":
		if !strings.Contains(r.body, c.Value) {
			return fmt.Errorf("body is %.200q, want %q in it", r.body, c.Value)
		}
	case "whole":
		if r.broken != nil {
			return fmt.Errorf("the body ends with %w", r.broken)
		}
	case "notwhole":
		if r.status < 500 && r.broken == nil {
			return fmt.Errorf("status %d and a body that seems whole: %.80q", r.status, r.body)
		}
	case "asked":
		if n := r.script.count(); n < c.Min || n > c.Max {
			return fmt.Errorf("the origin was asked %d times, want %s", n, bounds(c))
		}
	case "eventually":
		for end := time.Now().Add(time.Second); r.script.count() < c.Min; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				return fmt.Errorf("the origin was asked %d times, want %d soon", r.script.count(), c.Min)
			}
		}
	default:
		return c.saw(r)
	}
	return nil
}

// saw is hold for the origin's last request.
func (c Check) saw(r *result) error {
	last, ok := r.script.last()
	if !ok {
		return fmt.Errorf("%s %s: the origin was not asked", c.What, c.Name)
	}
	value, there := strings.Join(last.header.Values(c.Name), ", "), len(last.header.Values(c.Name)) > 0
	switch c.What {
	case "saw":
		ok = there && strings.Contains(value, dates(c.Value))
	case "notsaw":
		ok = !there || c.Value != "" && !strings.Contains(value, c.Value)
	case "sawbody":
		ok, value = last.body == c.Value, last.body
	case "sawmethod":
		ok, value = last.method == c.Value, last.method
	case "sawtarget":
		ok, value = strings.HasSuffix(last.target, c.Value), last.target
	default:
		return fmt.Errorf("there is no check %q", c.What)
	}
	if !ok {
		return fmt.Errorf("%s %s %q: the origin saw %q", c.What, c.Name, c.Value, value)
	}
	return nil
}

func bounds(c Check) string {
	if c.Max == 0 || c.Max == c.Min {
		return strconv.Itoa(c.Min)
	}
	return fmt.Sprintf("%d..%d", c.Min, c.Max)
}

func lastMember(lines []string) (string, bool) {
	if len(lines) == 0 {
		return "", false
	}
	members := strings.Split(lines[len(lines)-1], ",")
	return strings.TrimSpace(members[len(members)-1]), true
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
