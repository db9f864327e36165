package client

import (
	"context"
	"net/http"
	"time"
)

// NewTicket is what a ticket is asked for with at the admin listener: for every path that begins with Prefix, or Prefix alone
// if it does not end in "/". Zero Seconds are six hours; an empty Session is made up.
type NewTicket struct {
	Organisation string `json:"organisation"`
	Prefix       string `json:"prefix"`
	Session      string `json:"session,omitempty"`
	Subject      string `json:"subject,omitempty"`
	Seconds      int64  `json:"seconds,omitempty"`
}

// SignedTicket is the answer.
type SignedTicket struct {
	Ticket  string    `json:"ticket"`
	Session string    `json:"session"`
	Expires time.Time `json:"expires"`
}

// Sign asks the admin listener of an edge for a ticket.
func (c *Client) Sign(ctx context.Context, in NewTicket) (SignedTicket, error) {
	var out SignedTicket
	err := c.json(ctx, http.MethodPost, "/tickets", in, &out)
	return out, err
}
