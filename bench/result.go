package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	weir "github.com/weirstream/weir"
)

// Schema names the form of result files. Fields are only added; a change of meaning is another number.
const Schema = "weir-bench/1"

// maxResult bounds a result file that is read: an hour's timeline is about 1 MB.
const maxResult = 32 << 20

// Result is what a run measured, as --out writes it. Times are milliseconds where the name says so, else seconds.
type Result struct {
	Schema   string            `json:"schema"`
	Name     string            `json:"name"` // what it is called beside others
	Scenario string            `json:"scenario"`
	Started  time.Time         `json:"started"`
	Seconds  float64           `json:"seconds"`
	Targets  []string          `json:"targets"` // without rights
	Settings map[string]string `json:"settings"`
	Machine  Machine           `json:"machine"`

	Requests    int64            `json:"requests"` // answered right
	Bytes       int64            `json:"bytes"`    // of their bodies
	Connections int64            `json:"connections"`
	Kinds       []KindResult     `json:"kinds"`
	Errors      map[string]int64 `json:"errors"`
	Timeline    []Second         `json:"timeline"`
	CPU         CPU              `json:"cpu"`
	QoE         *QoE             `json:"qoe,omitempty"`
	Checks      []Verdict        `json:"checks"`
	Notes       []string         `json:"notes,omitempty"`
}

// Machine is where the client ran.
type Machine struct {
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// KindResult is what requests of one kind took.
type KindResult struct {
	Kind     string  `json:"kind"`
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"`
	TTFB     Latency `json:"ttfb"`  // first byte of the answer
	Total    Latency `json:"total"` // last byte of the body
}

// Latency is a distribution, in milliseconds from the intended start.
type Latency struct {
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
	Curve []Point `json:"curve"`
}

// Point is one percentile.
type Point struct {
	P  float64 `json:"p"` // 0 to 100
	Ms float64 `json:"ms"`
}

// Second is about one second of a run, ending At seconds after its start. CPU times are those since the last one.
type Second struct {
	At        float64 `json:"at"`
	Requests  int64   `json:"requests"`
	Bytes     int64   `json:"bytes"`
	Errors    int64   `json:"errors"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	ClientCPU float64 `json:"client_cpu"`
	ServerCPU float64 `json:"server_cpu"`
}

// CPU is CPU seconds over the measured time. Server is 0 where it was not measured.
type CPU struct {
	Client float64 `json:"client"`
	Server float64 `json:"server"`
}

// Verdict is one thing that a scenario demands of the server.
type Verdict struct {
	What string `json:"what"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// Passed says whether nothing that was demanded is missing.
func (r Result) Passed() bool {
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// Failed is how many requests went wrong.
func (r Result) Failed() (n int64) {
	for _, k := range r.Errors {
		n += k
	}
	return n
}

// Gbps is the rate of body bytes.
func (r Result) Gbps() float64 { return ratio(float64(r.Bytes)*8/1e9, r.Seconds) }

// Rate is requests a second.
func (r Result) Rate() float64 { return ratio(float64(r.Requests), r.Seconds) }

// GbpsPerCPU is gigabits a server CPU-second, 0 if that was not measured.
func (r Result) GbpsPerCPU() float64 { return ratio(float64(r.Bytes)*8/1e9, r.CPU.Server) }

// RequestsPerCPU is requests a server CPU-second, 0 if that was not measured.
func (r Result) RequestsPerCPU() float64 { return ratio(float64(r.Requests), r.CPU.Server) }

// Main is the kind with most bytes: the one that a line of a table is about. The zero value means no answer at all.
func (r Result) Main() (main KindResult) {
	for _, k := range r.Kinds {
		if main.Kind == "" || k.Bytes > main.Bytes {
			main = k
		}
	}
	return main
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Write writes the result as JSON.
func (r Result) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// WriteFile writes the result as JSON into a file.
func (r Result) WriteFile(name string) error {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// ReadFile reads what WriteFile wrote. Errors are Invalid: not a result, or of a schema this does not know.
func ReadFile(name string) (Result, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Result{}, weir.Errorf(weir.Invalid, "read result: %w", err)
	}
	if info.Size() > maxResult {
		return Result{}, weir.Errorf(weir.Invalid, "%s is too large for a result", name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return Result{}, weir.Errorf(weir.Invalid, "read result: %w", err)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return Result{}, weir.Errorf(weir.Invalid, "%s is no result of weir bench: %w", name, err)
	}
	if r.Schema != Schema {
		return Result{}, weir.Errorf(weir.Invalid, "%s has the schema %q; this reads %q", name, r.Schema, Schema)
	}
	return r, nil
}
