package conformance

import "time"

// Level is how a case counts.
type Level uint8

// Levels.
const (
	Required Level = iota // the text says MUST, or a client could be given something wrong
	Quality               // the text says SHOULD or MAY, or it is what a cache is for
)

// Case is one thing a cache has to do.
type Case struct {
	ID      string // unique; part of the URL
	Section string // of the text: "RFC 9111 4.2.3"
	Level   Level
	Answers []Answer // of the origin to the case's requests in their order; the last one repeats
	Steps   []Step
}

// RFC is the number of the text, "9111".
func (c *Case) RFC() string {
	var rfc string
	for _, r := range c.Section[len("RFC "):] {
		if r < '0' || r > '9' {
			break
		}
		rfc += string(r)
	}
	return rfc
}

// Answer is one of the origin. The zero value is a 200 with a Date and a body that no other answer has.
type Answer struct {
	Status int      // 0: 200
	Header []string // "Name: value"; {now}, {now-90}, {now+3600} in it become HTTP-dates. "Date:" alone leaves Date out
	Body   string   // "": a text that names case and answer. Statuses without a body have none
	Size   int      // not 0: the body is repeated and cut to so many bytes
	Chunks bool     // the length is not announced
	Ranges bool     // Range is honoured
	Delay  time.Duration
	Fault  Fault
}

// Fault is what the origin does wrong.
type Fault uint8

// Faults.
const (
	Works  Fault = iota
	Refuse       // the connection ends without an answer
	Cut          // the body ends in its middle, and the connection with it
)

// Step is one request, or the same one from several clients at once.
type Step struct {
	Method  string // "": GET
	Path    string // below the case's own URL, query included
	Header  []string
	Body    string
	Proto   string        // "": HTTP/1.1
	Pause   time.Duration // before it: only where the text speaks of what time changes after an answer was stored
	Clients int           // 0: 1
	Want    []Check       // of each answer
}

// Check is one thing that must hold.
type Check struct {
	What        string // see the functions that make them
	Name, Value string
	Min, Max    int
	Only        int // not 0: the check is for answers of that status
}

// On makes a check one for answers of that status only.
func (c Check) On(status int) Check {
	c.Only = status
	return c
}

// Partial wants, if the status is 206, a single range: this Content-Range and these bytes, first to last, of the n-th answer's
// body; and if it is 200, all of that body. Any other status is wrong.
func Partial(n, first, last int) Check {
	return Check{What: "partial", Name: string(rune('0' + n)), Min: first, Max: last}
}

// Status wants one of the statuses.
func Status(codes ...int) Check {
	c := Check{What: "status", Min: codes[0]}
	if len(codes) > 1 {
		c.Max = codes[1]
	}
	return c
}

// Failed wants an error of a server: 500 or more.
func Failed() Check { return Check{What: "failed"} }

// Has wants a field with exactly this value, all its lines joined by ", ".
func Has(name, value string) Check { return Check{What: "has", Name: name, Value: value} }

// Contains wants a field that has this in its value.
func Contains(name, part string) Check { return Check{What: "contains", Name: name, Value: part} }

// Present wants a field.
func Present(name string) Check { return Check{What: "present", Name: name} }

// Lacks wants a field not to be there.
func Lacks(name string) Check { return Check{What: "lacks", Name: name} }

// Without wants a field not to have this in its value; it may be absent.
func Without(name, part string) Check { return Check{What: "without", Name: name, Value: part} }

// Between wants a field to be a number within the bounds.
func Between(name string, low, high int) Check {
	return Check{What: "between", Name: name, Min: low, Max: high}
}

// From wants the whole body of the n-th answer of the origin, counted from 1.
func From(n int) Check { return Check{What: "from", Min: n} }

// Body wants exactly these bytes.
func Body(b string) Check { return Check{What: "body", Value: b} }

// InBody wants these bytes somewhere in the body.
func InBody(b string) Check { return Check{What: "inbody", Value: b} }

// Part wants bytes first to last of the n-th answer's body.
func Part(n, first, last int) Check {
	return Check{What: "part", Name: string(rune('0' + n)), Min: first, Max: last}
}

// Whole wants the body to have ended as its framing says.
func Whole() Check { return Check{What: "whole"} }

// NotWhole wants an error status, or a body that the client can tell is not all.
func NotWhole() Check { return Check{What: "notwhole"} }

// Asked wants the origin to have been asked so many times by now, in this case.
func Asked(n int) Check { return Check{What: "asked", Min: n, Max: n} }

// AskedAbout is Asked within bounds.
func AskedAbout(low, high int) Check { return Check{What: "asked", Min: low, Max: high} }

// Eventually is Asked within a second: for what happens after the answer.
func Eventually(n int) Check { return Check{What: "eventually", Min: n} }

// Saw wants the origin's last request to have had a field that contains this value.
func Saw(name, part string) Check { return Check{What: "saw", Name: name, Value: part} }

// NotSaw wants the origin's last request not to have had a field that contains this value; "" is any value.
func NotSaw(name, part string) Check { return Check{What: "notsaw", Name: name, Value: part} }

// SawBody wants the origin's last request to have had this body.
func SawBody(b string) Check { return Check{What: "sawbody", Value: b} }

// SawMethod wants the method of the origin's last request.
func SawMethod(m string) Check { return Check{What: "sawmethod", Value: m} }

// SawTarget wants the target of the origin's last request to end so.
func SawTarget(t string) Check { return Check{What: "sawtarget", Value: t} }

// CacheStatus wants a member of Cache-Status, the last one, with a parameter: "hit", "fwd=stale".
func CacheStatus(param string) Check { return Check{What: "cachestatus", Value: param} }

// NoCacheStatus wants the last member of Cache-Status, which must be there, not to have a parameter.
func NoCacheStatus(param string) Check { return Check{What: "nocachestatus", Value: param} }

// CacheStatusBetween wants the last member of Cache-Status to have a parameter that is a number within the bounds.
func CacheStatusBetween(param string, low, high int) Check {
	return Check{What: "cachestatusbetween", Value: param, Min: low, Max: high}
}

// Cases is the table.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{rangeCases(), conditionCases(), methodCases(), messageCases(), storingCases(), freshnessCases(), varyCases(),
		reuseCases(), validationCases(), invalidationCases(), staleCases(), statusCases(), targetedCases()} {
		all = append(all, part...)
	}
	return all
}

// ok is a 200 with these fields, and of a 200 the rest is a default.
func ok(header ...string) Answer { return Answer{Header: header} }

// coded is an answer with a status.
func coded(status int, header ...string) Answer { return Answer{Status: status, Header: header} }

func answers(a ...Answer) []Answer { return a }
func steps(s ...Step) []Step       { return s }

// get is a GET and what must hold of its answer.
func get(want ...Check) Step { return Step{Want: want} }

// do is a request with a method.
func do(method string, want ...Check) Step { return Step{Method: method, Want: want} }

// with adds request fields.
func (s Step) with(header ...string) Step { s.Header = header; return s }

// at asks below the case's URL.
func (s Step) at(path string) Step { s.Path = path; return s }

// sending gives the request a body.
func (s Step) sending(body string) Step { s.Body = body; return s }

// by sends the request from several clients at once.
func (s Step) by(clients int) Step { s.Clients = clients; return s }

// after waits before the request, for what the origin's Date cannot make old.
func (s Step) after(d time.Duration) Step { s.Pause = d; return s }
