package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	weir "github.com/weirstream/weir"
)

// Revoke is what a revocation is asked for with: a session, a subject, or all of the organisation. The zero Before is now, the
// zero Until as long as a ticket can live.
type Revoke struct {
	Organisation string    `json:"organisation"`
	Session      string    `json:"session,omitempty"`
	Subject      string    `json:"subject,omitempty"`
	All          bool      `json:"all,omitempty"`
	Before       time.Time `json:"before,omitzero"`
	Until        time.Time `json:"until,omitzero"`
}

// Key is what is told of a ticket key.
type Key struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Signs   time.Time `json:"signs,omitzero"`
	Ends    time.Time `json:"ends,omitzero"`
	Signing bool      `json:"signing"`
}

// Purge writes a purge of any number of values into the log of the edges, by the admin listener of one of them, and returns
// its number once that edge has obeyed it.
func (c *Client) Purge(ctx context.Context, p weir.Purge) (uint64, error) {
	return c.rule(ctx, "/purge?wait=1", p)
}

// Revoke writes a revocation likewise.
func (c *Client) Revoke(ctx context.Context, r Revoke) (uint64, error) {
	return c.rule(ctx, "/revoke?wait=1", r)
}

func (c *Client) rule(ctx context.Context, path string, in any) (uint64, error) {
	var out struct {
		Number uint64 `json:"number"`
	}
	err := c.json(ctx, http.MethodPost, path, in, &out)
	return out.Number, err
}

// Keys lists an organisation's ticket keys.
func (c *Client) Keys(ctx context.Context, organisation string) ([]Key, error) {
	return c.keys(ctx, http.MethodGet, "/keys?organisation="+url.QueryEscape(organisation), nil)
}

// RotateKeys makes a new key; retire ends an older one that still verifies.
func (c *Client) RotateKeys(ctx context.Context, organisation string, retire bool) ([]Key, error) {
	return c.keys(ctx, http.MethodPost, "/keys/rotate", map[string]any{"organisation": organisation, "retire": retire})
}

// RetireKeys ends all keys but the one that signs.
func (c *Client) RetireKeys(ctx context.Context, organisation string) ([]Key, error) {
	return c.keys(ctx, http.MethodPost, "/keys/retire", map[string]any{"organisation": organisation})
}

func (c *Client) keys(ctx context.Context, method, path string, in any) ([]Key, error) {
	var out struct {
		Keys []Key `json:"keys"`
	}
	err := c.json(ctx, method, path, in, &out)
	return out.Keys, err
}
