package terminal

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is a bar on a terminal, and nothing elsewhere.
type Progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: nothing
	what  string
	began time.Time
}

// NewProgress starts a bar of size bytes on w; 0: the size is not known.
func NewProgress(w io.Writer, what string, size int64) *Progress {
	p := &Progress{w: w, what: what, began: time.Now()}
	if !Is(w) {
		return p
	}
	if size <= 0 {
		size = -1 // a spinner
	}
	p.bar = progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

// Set moves the bar to its place and shows the rate of events.
func (p *Progress) Set(at, events int64) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(fmt.Sprintf("%s: %d, %.0f a second", p.what, events, float64(events)/time.Since(p.began).Seconds()))
	_ = p.bar.Set64(at) // a bar that cannot be drawn is no reason to stop
}

// Say prints a line above the bar, or where there is none.
func (p *Progress) Say(line string) {
	if p.bar != nil {
		_ = p.bar.Clear() // as above
	}
	fmt.Fprintln(p.w, line)
}

// At moves the bar to its place.
func (p *Progress) At(done int64) {
	if p.bar != nil {
		_ = p.bar.Set64(done) // as above
	}
}

// Finish removes the bar.
func (p *Progress) Finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// Is reports that a person is looking at what is written to w.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Steps are a bar for each of several steps.
type Steps struct {
	w    io.Writer
	step string
	bar  *Progress
}

// NewSteps returns bars on w.
func NewSteps(w io.Writer) *Steps { return &Steps{w: w} }

// Set moves the bar of a step.
func (p *Steps) Set(step string, done, total int64) {
	if p.bar == nil || p.step != step {
		p.Finish()
		p.step, p.bar = step, NewProgress(p.w, step, total)
	}
	p.bar.At(done)
}

// Finish removes the bar.
func (p *Steps) Finish() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
