// Package policytest holds what tests of policies need: a client and events.
package policytest

import (
	"net/netip"

	"moa/nips/event"
)

// Client is a policy.Client whose answers are its fields.
type Client struct {
	Number uint64
	Addr   string // an IP address; "": unknown, as of an import
	Name   string // the host it connected to
	Door   string // the path
	Keys   []event.PubKey
}

func (c *Client) ID() uint64 { return c.Number }

func (c *Client) IP() netip.Addr {
	if c.Addr == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(c.Addr)
}

func (c *Client) Host() string           { return c.Name }
func (c *Client) Path() string           { return c.Door }
func (c *Client) Authed() []event.PubKey { return c.Keys }

// Key returns a public key for tests: n, then zeros.
func Key(n byte) (pk event.PubKey) {
	pk[0] = n
	return pk
}

// Event returns an unsigned event with a right id, parsed as if received.
func Event(e event.Event) *event.Event {
	e.ID = event.ComputeID(&e)
	parsed, err := event.Parse(e.Append(nil))
	if err != nil {
		panic(err)
	}
	return parsed
}
