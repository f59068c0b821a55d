package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/bench"
	benchreport "moa/bench/report"
)

// benchShow prints the report, writes the files asked for, and returns
// errFaults if the relay made any.
func benchShow(cmd *cli.Command, r *bench.Report, text func(io.Writer, *bench.Report) error) error {
	if err := text(cmd.Root().Writer, r); err != nil {
		return err
	}
	files := []struct {
		flag  string
		write func(io.Writer, *bench.Report) error
	}{
		{"json", func(w io.Writer, r *bench.Report) error {
			e := json.NewEncoder(w)
			e.SetIndent("", " ")
			return e.Encode(r)
		}},
		{"markdown", benchreport.Markdown},
		{"html", benchreport.HTML},
	}
	for _, f := range files {
		name := cmd.String(f.flag)
		if name == "" {
			continue
		}
		if err := writeFile(name, func(w io.Writer) error { return f.write(w, r) }); err != nil {
			return fmt.Errorf("--%s: %w", f.flag, err)
		}
	}
	if r.Failed() {
		return errFaults
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

// status is the line on a terminal that says how far a test is.
type status struct{ w io.Writer } // nil: nobody looks

func newStatus(cmd *cli.Command) *status {
	s := new(status)
	if w := cmd.Root().ErrWriter; isTerminal(w) && !cmd.Bool("quiet") {
		s.w = w
	}
	return s
}

// show draws the line anew.
func (s *status) show(p bench.Progress) {
	if s.w == nil {
		return
	}
	fmt.Fprintf(s.w, "\r\033[K%s%s %s: %.0f/s, p50 %.1f ms, p99 %.1f ms, %d connections, %d refused, %d faults%s",
		p.Workload, bar(p.Done), p.Phase, p.Point.Rate, p.Point.P50, p.Point.P99, p.Point.Conns, p.Refused, p.Faults,
		left(p.Done, time.Duration(p.Point.At*float64(time.Second))))
}

// count draws the line of work that is counted in events.
func (s *status) count(what string, done, all int, spent time.Duration) {
	if s.w == nil {
		return
	}
	share := float64(done) / float64(all)
	fmt.Fprintf(s.w, "\r\033[K%s%s %d of %d events, %.0f/s%s", what, bar(share), done, all, float64(done)/spent.Seconds(), left(share, spent))
}

// bar draws a share of 0 to 1, nothing for NaN.
func bar(share float64) string {
	if math.IsNaN(share) {
		return ""
	}
	const width = 20
	full := int(share * width)
	return " [" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// left says how long the rest will take if it goes on like this.
func left(share float64, spent time.Duration) string {
	if !(share > 0 && share < 1) {
		return ""
	}
	return ", " + time.Duration(float64(spent)*(1-share)/share).Round(time.Second).String() + " left"
}

// clear removes the line.
func (s *status) clear() {
	if s.w != nil {
		fmt.Fprint(s.w, "\r\033[K")
	}
}
