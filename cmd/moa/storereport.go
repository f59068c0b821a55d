package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
)

// checked is what store check and store repair have found.
type checked struct {
	OK       bool     `json:"ok"`
	Events   uint64   `json:"events"`
	Problems []string `json:"problems"`
	More     int      `json:"more,omitempty"` // problems beyond those
	Next     string   `json:"next,omitempty"` // step
}

var errProblems = errors.New("something is wrong, see above")

// show prints what was found.
func (c *checked) show(cmd *cli.Command, fine string) error {
	if c.OK = len(c.Problems) == 0; c.OK {
		c.Next = ""
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		if c.Problems == nil {
			c.Problems = []string{}
		}
		if err := terminal.PrintJSON(w, c); err != nil {
			return err
		}
	} else {
		for _, p := range c.Problems {
			fmt.Fprintln(w, terminal.Line(p))
		}
		if c.More > 0 {
			fmt.Fprintf(w, "... and %s\n", terminal.Count(c.More, "more problem", "more problems"))
		}
		if c.OK {
			fmt.Fprintf(w, "%s, %s\n", terminal.Count(c.Events, "event", "events"), fine)
		} else if c.Next != "" {
			fmt.Fprintf(w, "Next: %s\n", c.Next)
		}
	}
	if !c.OK {
		return errProblems
	}
	return nil
}
