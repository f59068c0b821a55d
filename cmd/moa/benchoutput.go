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
	"golang.org/x/term"

	"moa/bench"
	benchreport "moa/bench/report"
	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/terminal"
)

// benchShow prints the report, writes the files asked for, and returns
// errFaults if the relay made any.
func benchShow(cmd *cli.Command, r *bench.Report, text func(io.Writer, *bench.Report) error) error {
	if err := text(terminal.Writer{Writer: cmd.Root().Writer}, r); err != nil {
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
		if err := outfile.Write(name, func(w io.Writer) error { return f.write(w, r) }); err != nil {
			return fmt.Errorf("--%s: %w", f.flag, err)
		}
	}
	if r.Failed() {
		return errFaults
	}
	return nil
}

var errFaults = errors.New("the relay made faults, see above")

// status is the line on a terminal that says how far a test is. The zero status
// shows nothing.
type status struct {
	w    *os.File
	part string // "2/4 ", of several workloads
}

func newStatus(cmd *cli.Command) *status {
	s := new(status)
	if w := cmd.Root().ErrWriter; terminal.Is(w) && !cmd.Bool("quiet") {
		s.w = w.(*os.File)
	}
	return s
}

// step says that workload n of all begins, the first being 0.
func (s *status) step(n, all int) {
	if all > 1 {
		s.part = fmt.Sprintf("%d/%d ", n+1, all)
	}
}

// show draws how far a workload is.
func (s *status) show(p bench.Progress) {
	refused := ""
	if p.Refused > 0 {
		refused = fmt.Sprintf(", %d refused", p.Refused)
	}
	s.say(s.part + p.Workload + bar(p.Done) + left(p.Done, time.Duration(p.Point.At*float64(time.Second))) +
		fmt.Sprintf(" %s: %.0f/s, p50 %.1f ms, p99 %.1f ms, %d faults%s, %d connections", p.Phase, p.Point.Rate, p.Point.P50, p.Point.P99, p.Faults, refused, p.Point.Conns))
}

// count draws how far work is that is counted in events.
func (s *status) count(what string, done, all int, spent time.Duration) {
	share := float64(done) / float64(all)
	s.say(what + bar(share) + left(share, spent) + fmt.Sprintf(" %d of %d events, %.0f/s", done, all, float64(done)/spent.Seconds()))
}

// say draws the line anew, and no more of it than fits: a second line would stay.
func (s *status) say(text string) {
	if s.w == nil {
		return
	}
	if width, _, err := term.GetSize(int(s.w.Fd())); err == nil && width > 1 {
		text = text[:min(len(text), width-1)]
	}
	fmt.Fprint(s.w, "\r\033[K"+text)
}

// bar draws a share of 0 to 1, nothing for NaN.
func bar(share float64) string {
	if math.IsNaN(share) {
		return ""
	}
	const width = 12
	full := int(share * width)
	return " [" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

// left says how long the rest will take if it goes on like this.
func left(share float64, spent time.Duration) string {
	if !(share > 0 && share < 1) {
		return ""
	}
	return " " + time.Duration(float64(spent)*(1-share)/share+float64(time.Second)/2).Round(time.Second).String() + " left"
}

// clear removes the line.
func (s *status) clear() { s.say("") }
