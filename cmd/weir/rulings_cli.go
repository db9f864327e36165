package main

import (
	"encoding/json"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/client"
)

// adminFlags are what commands share that talk to the admin listener of a running weir.
type adminFlags struct {
	Admin        string `help:"The admin listener of any edge." default:"http://127.0.0.1:8082" placeholder:"URL"`
	Token        string `help:"Admin token, if the listener asks for one; @FILE reads it from a file." name:"admin-token" placeholder:"TOKEN"`
	Organisation string `help:"Whose." name:"of" default:"default" placeholder:"ORGANISATION"`
	JSON         bool   `help:"Print one JSON object instead of text." name:"json"`
}

func (f adminFlags) open() (*client.Client, error) {
	if !isWebURL(f.Admin) {
		return nil, weir.Errorf(weir.Invalid, "--admin %q is not a URL such as http://127.0.0.1:8082", f.Admin)
	}
	return clientFlags{Server: f.Admin, Token: f.Token}.open()
}

func (f adminFlags) explain(err error) error { return clientFlags{Server: f.Admin}.explain(err) }

// printNumber says that a ruling is in the log.
func (f adminFlags) printNumber(e env, what string, number uint64) error {
	if f.JSON {
		return json.NewEncoder(e.out).Encode(map[string]uint64{"number": number})
	}
	_, err := fmt.Fprintf(e.out, "%s: number %d, obeyed by this edge now and by all others within two seconds.\n", what, number)
	return err
}

// keysTicketCmd signs a ticket for any path.
type keysTicketCmd struct {
	Prefix  string        `arg:"" help:"The paths it opens, without leading slash: all that begin so if it ends in a slash, else this one."`
	For     time.Duration `help:"How long it lives." default:"6h" env:"-" placeholder:"DURATION"`
	Session string        `help:"Its session, by which it can be revoked; one is made up." env:"-" placeholder:"ID"`
	Subject string        `help:"Its viewer, by whom it can be revoked." env:"-" placeholder:"ID"`

	Admin adminFlags `embed:""`
}

// Run prints the ticket.
func (c keysTicketCmd) Run(e env) error {
	api, err := c.Admin.open()
	if err != nil {
		return err
	}
	t, err := api.Sign(e.ctx, client.NewTicket{Organisation: c.Admin.Organisation, Prefix: c.Prefix, Session: c.Session, Subject: c.Subject,
		Seconds: int64(c.For / time.Second)})
	if err != nil {
		return fmt.Errorf("ask for a ticket: %w", c.Admin.explain(err))
	}
	if c.Admin.JSON {
		return json.NewEncoder(e.out).Encode(t)
	}
	_, err = fmt.Fprintln(e.out, t.Ticket)
	return err
}

// purgeCmd purges. What it purges has no twins in the environment: a variable left over must not empty a cache.
type purgeCmd struct {
	URL   []string `help:"An address, or its path: scheme, host and ticket do not matter; without ?QUERY all queries. Repeat for more." name:"url" env:"-" xor:"by" sep:"none" placeholder:"URL"`
	Start []string `help:"All addresses that begin so." name:"prefix" env:"-" xor:"by" sep:"none" placeholder:"URL"`
	Key   []string `help:"What the origin gave this surrogate key." name:"key" env:"-" xor:"by" sep:"none" placeholder:"KEY"`
	Asset []string `help:"All revisions of an asset." env:"-" xor:"by" placeholder:"ID"`
	Rev   []string `help:"One revision of an asset." env:"-" xor:"by" placeholder:"ID/REV"`
	All   bool     `help:"Everything of the organisation." name:"organisation" env:"-" xor:"by"`
	Soft  bool     `help:"Do not drop it: ask the origin whether it still holds, and serve it if the origin is away."`

	Admin adminFlags `embed:""`
}

// Help teaches.
func (purgeCmd) Help() string {
	return `What an edge fetches after it learned of the purge is not affected, what it is fetching meanwhile is. An edge that is cut off
catches up before it is ready again.

    weir purge --url https://media.example.org/t/TICKET/06fsz1.../1/clear/hls/main.m3u8
    weir purge --prefix /packages/film-7/ --prefix /packages/film-8/
    weir purge --asset 06fsz1... --soft
    weir purge --organisation --of acme

A native asset needs no purge when it is deleted or gets a new revision.`
}

// Run writes the purge into the edges' log.
func (c purgeCmd) Run(e env) error {
	p := weir.Purge{Organisation: c.Admin.Organisation, Soft: c.Soft}
	for _, given := range []struct {
		by     weir.PurgeBy
		values []string
	}{{weir.ByURL, c.URL}, {weir.ByPrefix, c.Start}, {weir.ByKey, c.Key}, {weir.ByAsset, c.Asset}, {weir.ByRevision, c.Rev}} {
		if len(given.values) > 0 {
			p.By, p.Values = given.by, given.values
		}
	}
	if c.All {
		p.By = weir.ByOrganisation
	}
	if p.By == "" {
		return weir.Errorf(weir.Invalid, "say what to purge: --url, --prefix, --key, --asset, --rev or --organisation")
	}
	api, err := c.Admin.open()
	if err != nil {
		return err
	}
	number, err := api.Purge(e.ctx, p)
	if err != nil {
		return fmt.Errorf("purge: %w", c.Admin.explain(err))
	}
	return c.Admin.printNumber(e, "Purged", number)
}

// revokeCmd ends tickets.
type revokeCmd struct {
	Session string        `help:"The tickets of one playback session." xor:"whose" required:"" placeholder:"ID"`
	Subject string        `help:"The tickets of one account or profile, by its pseudonym." xor:"whose" required:"" placeholder:"ID"`
	All     bool          `help:"All tickets of the organisation that were issued before --before." name:"organisation" env:"-" xor:"whose" required:""`
	Before  time.Time     `help:"With --organisation: tickets issued earlier than this (RFC 3339); now if not given." placeholder:"TIME"`
	For     time.Duration `help:"How long it holds; 0s is as long as a ticket can live. Sessions of foreign tokens that live longer need more." default:"0s" placeholder:"DURATION"`

	Admin adminFlags `embed:""`
}

// Help teaches.
func (revokeCmd) Help() string {
	return `A revoked session or subject is refused for the given time, also with tickets issued later. Revoking the organisation ends what was
issued until now; players that ask for a new ticket go on.

    weir revoke --session 06fsz1...
    weir revoke --subject p-77c1 --for 720h
    weir revoke --organisation --of acme

If the key that signs leaked: weir keys rotate, wait until the new key signs, weir keys retire.`
}

// Run writes the revocation into the edges' log.
func (c revokeCmd) Run(e env) error {
	if !c.All && !c.Before.IsZero() || c.For < 0 {
		return weir.Errorf(weir.Invalid, "--before goes with --organisation, and --for is not below 0s")
	}
	api, err := c.Admin.open()
	if err != nil {
		return err
	}
	r := client.Revoke{Organisation: c.Admin.Organisation, Session: c.Session, Subject: c.Subject, All: c.All, Before: c.Before}
	if c.For > 0 {
		r.Until = time.Now().Add(c.For)
	}
	number, err := api.Revoke(e.ctx, r)
	if err != nil {
		return fmt.Errorf("revoke: %w", c.Admin.explain(err))
	}
	return c.Admin.printNumber(e, "Revoked", number)
}

// keysCmd is what operators do with the keys that sign tickets.
type keysCmd struct {
	List   listKeysCmd   `cmd:"" help:"List the keys that live: which signs, and when which ends."`
	Rotate rotateKeysCmd `cmd:"" help:"Make a new key, which signs as soon as every edge knows it."`
	Ticket keysTicketCmd `cmd:"" help:"Sign a ticket for paths of an --origin; tickets of assets are made by weir ticket."`
	Retire retireKeysCmd `cmd:"" help:"End all keys but the one that signs; their tickets are refused within half a minute."`
}

type listKeysCmd struct {
	Admin adminFlags `embed:""`
}

// Run prints a key a line.
func (c listKeysCmd) Run(e env) error {
	return c.Admin.keys(e, "list keys", func(api *client.Client) ([]client.Key, error) {
		return api.Keys(e.ctx, c.Admin.Organisation)
	})
}

type rotateKeysCmd struct {
	Retire bool `help:"End a key from an earlier rotation that still verifies tickets; without, that is refused." name:"retire-old"`

	Admin adminFlags `embed:""`
}

// Help teaches.
func (rotateKeysCmd) Help() string {
	return `Two keys live side by side: the new one verifies at once and signs 40 seconds later; the old one verifies until its last ticket has
expired. No viewer notices.`
}

// Run rotates and prints a key a line.
func (c rotateKeysCmd) Run(e env) error {
	return c.Admin.keys(e, "rotate keys", func(api *client.Client) ([]client.Key, error) {
		return api.RotateKeys(e.ctx, c.Admin.Organisation, c.Retire)
	})
}

type retireKeysCmd struct {
	Admin adminFlags `embed:""`
}

// Run retires and prints the key that is left.
func (c retireKeysCmd) Run(e env) error {
	return c.Admin.keys(e, "retire keys", func(api *client.Client) ([]client.Key, error) {
		return api.RetireKeys(e.ctx, c.Admin.Organisation)
	})
}

// keys prints the keys that ask answers with.
func (f adminFlags) keys(e env, act string, ask func(*client.Client) ([]client.Key, error)) error {
	api, err := f.open()
	if err != nil {
		return err
	}
	list, err := ask(api)
	if err != nil {
		return fmt.Errorf("%s: %w", act, f.explain(err))
	}
	if f.JSON {
		return json.NewEncoder(e.out).Encode(map[string]any{"keys": list})
	}
	for _, k := range list {
		does := "verifies"
		if k.Signing {
			does = "signs"
		} else if k.Signs.After(k.Created) && k.Ends.IsZero() {
			does = "signs from " + k.Signs.Format(time.RFC3339)
		}
		if !k.Ends.IsZero() {
			does += ", ends " + k.Ends.Format(time.RFC3339)
		}
		fmt.Fprintf(e.out, "%s  made %s  %s\n", k.ID, k.Created.Format(time.RFC3339), does)
	}
	return nil
}
