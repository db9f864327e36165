package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/edge/rulings"
	"github.com/weirstream/weir/internal/client"
	"github.com/weirstream/weir/internal/engine"
	"github.com/weirstream/weir/internal/factlog"
	"github.com/weirstream/weir/internal/keyring"
	"github.com/weirstream/weir/internal/web"
)

// Bounds of the admin listener's requests about purges and revocations.
const (
	maxRulingBody = 1 << 20
	rulingWithin  = 20 * time.Second // of a request, with the wait
)

// followRulings makes the log of purges and revocations and what this process knows of them: the role that follows it, what
// /readyz asks, and the requests of the admin listener.
func (p *process) followRulings() role {
	p.rulings = rulings.New()
	p.edgeLog = &factlog.Log{Blobs: p.engines.Blobs, Sink: p.rulings, Log: p.log}
	if !engine.Embedded(p.cmd.Engines.Cache) { // one process wakes itself
		p.edgeLog.Cache = p.engines.Cache
	}
	p.ready.add("purge log", p.edgeLog.Ready)
	p.onAdmin = append(p.onAdmin, rulingsAPI{log: p.edgeLog, now: time.Now, errors: p.problems}.register)
	return role{"purge log", p.edgeLog.Run}
}

// problems answers a request of the admin listener with an error.
func (p *process) problems(w http.ResponseWriter, r *http.Request, err error) {
	web.WriteError(w, r, p.log, err)
}

// rulingsAPI is POST /purge, POST /revoke and GET /log/state.
type rulingsAPI struct {
	log    *factlog.Log
	now    func() time.Time
	errors func(http.ResponseWriter, *http.Request, error)
}

func (a rulingsAPI) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /purge", a.answering(a.purge))
	mux.HandleFunc("POST /revoke", a.answering(a.revoke))
	mux.HandleFunc("GET /log/state", func(w http.ResponseWriter, _ *http.Request) {
		s := a.log.State()
		writeJSON(w, map[string]any{"number": s.Number, "fresh": s.Fresh, "seen": s.Seen, "problem": weir.Detail(s.Error)})
	})
}

// answering appends what read makes of a request, waits if it asks for that, and tells the number.
func (a rulingsAPI) answering(read func(http.ResponseWriter, *http.Request) ([]weir.Ruling, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), rulingWithin)
		defer cancel()
		list, err := read(w, r)
		var number uint64
		if err == nil {
			number, err = a.log.Append(ctx, list...)
		}
		if err == nil && r.URL.Query().Get("wait") == "1" {
			err = a.log.Wait(ctx, number)
		}
		if err != nil {
			a.errors(w, r, err)
			return
		}
		writeJSON(w, map[string]any{"number": number})
	}
}

func (a rulingsAPI) purge(w http.ResponseWriter, r *http.Request) ([]weir.Ruling, error) {
	p := weir.Purge{Organisation: weir.DefaultOrganisation}
	if err := web.Decode(w, r, maxRulingBody, &p); err != nil {
		return nil, err
	}
	if p.By == weir.ByURL || p.By == weir.ByPrefix {
		for i, value := range p.Values {
			path, err := weir.PurgePath(value)
			if err != nil {
				return nil, err
			}
			p.Values[i] = path
		}
	}
	parts, err := p.Parts()
	if err != nil {
		return nil, err
	}
	list := make([]weir.Ruling, len(parts))
	for i := range parts {
		list[i].Purge = &parts[i]
	}
	return list, nil
}

func (a rulingsAPI) revoke(w http.ResponseWriter, r *http.Request) ([]weir.Ruling, error) {
	asked := client.Revoke{Organisation: weir.DefaultOrganisation}
	if err := web.Decode(w, r, maxRulingBody, &asked); err != nil {
		return nil, err
	}
	now := a.now()
	v := weir.Revocation{Organisation: asked.Organisation, Session: asked.Session, Subject: asked.Subject, Until: weir.RevokeUntil(now)}
	if asked.All {
		v.Epoch = weir.NewEpoch(now)
		if !asked.Before.IsZero() {
			v.Epoch = weir.NewEpoch(asked.Before.Add(-time.Nanosecond)) // a whole second stays what it is
		}
		if v.Epoch.After(now) {
			v.Until = weir.RevokeUntil(v.Epoch)
		}
	} else if !asked.Before.IsZero() {
		return nil, weir.Errorf(weir.Invalid, "Before is for all tickets of an organisation.")
	}
	if !asked.Until.IsZero() {
		v.Until = asked.Until.UTC().Truncate(time.Second)
	}
	if !v.Until.After(now) || v.Until.After(now.Add(weir.MaxRevocation)) {
		return nil, weir.Errorf(weir.Invalid, "Until lies in the future, at most %d days ahead.", weir.MaxRevocation/(24*time.Hour))
	}
	return []weir.Ruling{{Revocation: &v}}, v.Check()
}

// keysAPI is GET /keys, POST /keys/rotate and POST /keys/retire.
type keysAPI struct {
	keys   *keyring.Keys
	errors func(http.ResponseWriter, *http.Request, error)
}

func (a keysAPI) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /keys", a.answering(func(ctx context.Context, _ http.ResponseWriter, r *http.Request) ([]keyring.KeyState, error) {
		organisation := r.URL.Query().Get("organisation")
		if organisation == "" {
			organisation = weir.DefaultOrganisation
		}
		return a.keys.List(ctx, organisation)
	}))
	mux.HandleFunc("POST /keys/rotate", a.answering(func(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]keyring.KeyState, error) {
		in := struct {
			Organisation string `json:"organisation"`
			Retire       bool   `json:"retire"`
		}{Organisation: weir.DefaultOrganisation}
		if err := web.Decode(w, r, maxRulingBody, &in); err != nil {
			return nil, err
		}
		return a.keys.Rotate(ctx, in.Organisation, in.Retire)
	}))
	mux.HandleFunc("POST /keys/retire", a.answering(func(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]keyring.KeyState, error) {
		in := struct {
			Organisation string `json:"organisation"`
		}{Organisation: weir.DefaultOrganisation}
		if err := web.Decode(w, r, maxRulingBody, &in); err != nil {
			return nil, err
		}
		return a.keys.Retire(ctx, in.Organisation)
	}))
}

func (a keysAPI) answering(f func(context.Context, http.ResponseWriter, *http.Request) ([]keyring.KeyState, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), rulingWithin)
		defer cancel()
		states, err := f(ctx, w, r)
		if err != nil {
			a.errors(w, r, err)
			return
		}
		writeJSON(w, map[string]any{"keys": states})
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
