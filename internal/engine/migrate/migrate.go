package migrate

import (
	"context"
	"fmt"
	"path/filepath"

	weir "github.com/weirstream/weir"
)

// Migration copies what From holds to To. Set the fields, then Run.
type Migration struct {
	From, To *Side // To may be nil for Count
	Sizes    bool  // verify objects and uploads by their sizes, not their bytes
	// Report is told where the migration is, often, from one goroutine. nil is nobody.
	Report func(Step)
	// At is called at named kill points, some of them several times and at once: "migrate.checked", "migrate.put-" with the
	// part and "migrate.put-object", "migrate.put-value", "migrate.upload-written", "migrate.published",
	// "migrate.before-note", "migrate.after-note", "migrate.part-done", "migrate.before-complete". nil does nothing.
	At func(point string)
}

// run is a migration under way.
type run struct {
	from, to *Side
	sizes    bool
	report   func(Step)
	kill     func(point string)
	totals   map[string]Amount // by part, what FROM holds, once it is known
	state    *state            // nil until TO is known to be ours to write to
}

func (m *Migration) start() *run {
	return &run{from: m.From, to: m.To, sizes: m.Sizes, report: m.Report, kill: m.At, totals: map[string]Amount{}}
}

// Run copies, verifies and notes that all is done; of a migration that is done already it only verifies. A difference is no
// error but in the result. Conflict: TO holds what is not FROM's, or another migration's half, or its tables or root key do
// not fit FROM's.
func (m *Migration) Run(ctx context.Context) (Result, error) {
	r := m.start()
	result := Result{From: r.from.Name, To: r.to.Name}
	parts, err := r.parts(ctx)
	if err != nil {
		return result, err
	}
	if err := r.begin(ctx, parts); err != nil {
		return result, err
	}
	if result.Copied = !r.state.Complete; result.Copied {
		if err := r.copyAll(ctx, parts); err != nil {
			return result, err
		}
	}
	result.Equal = true
	for _, p := range parts {
		line, err := p.verify(ctx, r)
		if err != nil {
			return result, fmt.Errorf("verify: %w", err)
		}
		result.Lines = append(result.Lines, line)
		result.Equal = result.Equal && line.Equal
	}
	return result, r.end(result)
}

// Count says what From holds. Nothing is written.
func (m *Migration) Count(ctx context.Context) (Result, error) {
	r := m.start()
	r.to = r.from
	result := Result{From: r.from.Name, DryRun: true, Equal: true}
	if m.To != nil {
		result.To = m.To.Name
	}
	parts, err := r.parts(ctx)
	if err != nil {
		return result, err
	}
	for _, p := range parts {
		n, err := p.count(ctx, r)
		if err != nil {
			return result, fmt.Errorf("count: %w", err)
		}
		r.tell(Step{Part: p.name(), Act: "count", Done: n})
		result.Lines = append(result.Lines, Line{Part: p.name(), From: n, Equal: true})
	}
	return result, nil
}

// parts are in the order of copying. What rows tell of is there before them, and rows before the facts that tell of them.
func (r *run) parts(ctx context.Context) ([]part, error) {
	var parts []part
	if r.from.Blobs != nil && r.to.Blobs != nil {
		parts = append(parts, objects())
	}
	parts = append(parts, uploads())
	if r.from.Stores != nil && r.to.Stores != nil {
		rows, err := tables(ctx, r.from.Stores, r.to.Stores)
		if err != nil {
			return nil, err
		}
		parts = append(parts, rows...)
	}
	if r.from.Registry != nil && r.to.Registry != nil {
		parts = append(parts, values())
	}
	if r.from.Bus != nil && r.to.Bus != nil {
		parts = append(parts, facts{})
	}
	return parts, nil
}

// begin takes up the migration that TO's progress file tells of. Without one TO must hold nothing that FROM does not hold
// just so.
func (r *run) begin(ctx context.Context, parts []part) (err error) {
	if r.state, err = readState(r.to.Dir); err != nil {
		return err
	}
	if s := r.state; s != nil && (s.From != r.from.Name || s.To != r.to.Name) {
		return weir.Errorf(weir.Conflict, "%s tells of another migration, from %s to %s: finish that, or remove the file if it is of no use",
			filepath.Join(r.to.Dir, stateFile), s.From, s.To)
	}
	if err := checkRootKey(ctx, r); err != nil || r.state != nil {
		return err
	}
	for _, p := range parts {
		r.tell(Step{Part: p.name(), Act: "check"})
		what, err := p.foreign(ctx, r)
		if err != nil {
			return fmt.Errorf("check that TO is free: %w", err)
		}
		if what != "" {
			return weir.Errorf(weir.Conflict, "TO (%s) is not free: it holds %s", r.to.Name, what)
		}
	}
	r.at("migrate.checked")
	r.state = &state{Version: stateVersion, From: r.from.Name, To: r.to.Name, After: map[string]string{}, Facts: map[int]int64{}}
	return r.save()
}

func (r *run) copyAll(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if r.state.isDone(p.name()) {
			continue
		}
		n, err := p.count(ctx, r)
		if err == nil {
			r.totals[p.name()] = n
			err = p.copy(ctx, r)
		}
		if err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		r.state.Done = append(r.state.Done, p.name())
		if err := r.save(); err != nil {
			return err
		}
		r.at("migrate.part-done")
	}
	return nil
}

// end notes that all is done, or which parts are to be copied again.
func (r *run) end(result Result) error {
	if !result.Copied {
		return nil
	}
	r.at("migrate.before-complete")
	r.state.Complete = result.Equal
	for _, line := range result.Lines {
		if !line.Equal {
			r.state.undo(line.Part)
		}
	}
	return r.save()
}

func (r *run) save() error {
	r.at("migrate.before-note")
	if err := writeState(r.to.Dir, r.state); err != nil {
		return err
	}
	r.at("migrate.after-note")
	return nil
}

func (r *run) at(point string) {
	if r.kill != nil {
		r.kill(point)
	}
}

func (r *run) tell(s Step) {
	if r.report != nil {
		s.Total = r.totals[s.Part]
		r.report(s)
	}
}
