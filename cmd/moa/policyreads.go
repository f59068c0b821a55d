package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/wire"
	"moa/policy"
	"moa/store"
)

// question is a filter that somebody has asked.
type question struct {
	filter *event.Filter
	count  bool // by COUNT, which heeds no limit
}

// readQuestions reads JSON lines: filters, lists of them, or messages of
// clients, of which those that read nothing are left out. broken are the lines
// that are none of that.
func readQuestions(path string) (all []question, broken int, err error) {
	in, err := transfer.Open(path)
	if err != nil {
		return nil, 0, usage.Error{Err: err}
	}
	defer in.Close()
	for {
		line, err := in.NextLine()
		switch {
		case errors.Is(err, io.EOF):
			return all, broken, nil
		case errors.Is(err, transfer.ErrLongLine):
			broken++
			continue
		case err != nil:
			return nil, 0, err
		case len(line) == 0:
			continue
		}
		asked, err := parseQuestions(line)
		if err != nil {
			broken++
		}
		all = append(all, asked...)
	}
}

func parseQuestions(text []byte) (all []question, err error) {
	filters := []json.RawMessage{text}
	if bytes.HasPrefix(text, []byte("[")) {
		if m, err := wire.Parse(text); err == nil {
			for _, f := range m.Filters {
				all = append(all, question{f, m.Verb == wire.Count})
			}
			return all, nil
		}
		if err := json.Unmarshal(text, &filters); err != nil {
			return nil, err
		}
	}
	for _, raw := range filters {
		f, err := event.ParseFilter(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, question{filter: f})
	}
	return all, nil
}

// runReadTest is runPolicyTest for --reads.
func runReadTest(ctx context.Context, cmd *cli.Command) (failed error) {
	if cmd.NArg() > 1 {
		return usage.Errorf("one file at a time")
	}
	filter, err := filterFlag(cmd)
	if err != nil {
		return err
	}
	r := &readOutcome{Source: cmd.String("reads"), most: cmd.Int("examples")}
	questions, broken, err := readQuestions(r.Source)
	if err != nil {
		return err
	}
	r.Broken = broken
	stderr := cmd.Root().ErrWriter
	t, err := newTrial(cmd, "now", r.report, stderr)
	if err != nil {
		return err
	}
	r.begin(t.chain)
	switch _, err := os.Stat(t.cfg.Data); {
	case cmd.NArg() > 0 || cmd.String("relay") != "":
		if r.Events, _, err = t.gather(ctx, cmd, filter); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist) && !cmd.IsSet("data"):
		// Only the filters are tried.
	default:
		end, err := t.openData(cmd.Root().ErrWriter)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, end()) }()
		r.Events = t.cfg.Data
	}
	if err := t.run(ctx, stderr, func(ctx context.Context) error { return r.ask(ctx, t, questions) }); err != nil {
		return err
	}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, r)
	}
	r.print(terminal.Writer{Writer: cmd.Root().Writer})
	return nil
}

// readOutcome is what policies did with many filters, and with the events that
// those find which are answered.
type readOutcome struct {
	Source   string             `json:"source"`  // of the filters
	Broken   int                `json:"broken"`  // lines that are neither filters nor messages
	Filters  int                `json:"filters"` // asked about
	Refused  int                `json:"refused"` // of those
	Events   string             `json:"events"`  // where the events are from that were looked for; "": there were none
	Shown    int                `json:"shown"`   // events, each as often as a filter finds it
	Hidden   int                `json:"hidden"`
	Policies []*readTrialPolicy `json:"policies"`

	most   int // examples of each verdict
	byName map[string]*readTrialPolicy
	asking string // the filter, or the event, that is asked about
}

// readTrialPolicy is what one policy said.
type readTrialPolicy struct {
	Name    string       `json:"name"`
	Mode    string       `json:"mode"`
	Filters *readRefusal `json:"filters"` // those that it refuses; null: none
	Events  *readRefusal `json:"events"`  // those that it hides
}

type readRefusal struct {
	Times    int           `json:"times"`
	Examples []readExample `json:"examples"`
}

type readExample struct {
	What string `json:"what"` // the filter as JSON, or the event's kind and id
	Text string `json:"text"` // what the client is told
}

func (r *readOutcome) begin(c *policy.Chain) {
	r.byName = map[string]*readTrialPolicy{}
	for _, n := range c.Links() {
		p := &readTrialPolicy{Name: n.Name, Mode: n.Mode.String()}
		r.Policies, r.byName[n.Name] = append(r.Policies, p), p
	}
}

// report is the chain's policy.Report: it comes while ask asks.
func (r *readOutcome) report(n *policy.Named, at policy.Stage, v policy.Verdict) {
	p := r.byName[n.Name]
	list := &p.Filters
	switch at {
	case policy.AtFilter:
	case policy.AtDelivery:
		list = &p.Events
	default:
		return
	}
	if *list == nil {
		*list = &readRefusal{Examples: []readExample{}}
	}
	(*list).Times++
	x := readExample{What: r.asking}
	if v.Reason != "" {
		x.Text = string(v.Reason) + ": " + v.Text
	}
	if len((*list).Examples) < r.most && !slices.Contains((*list).Examples, x) {
		(*list).Examples = append((*list).Examples, x)
	}
}

// ask asks about every question, and of those that are answered about every
// event that they find.
func (r *readOutcome) ask(ctx context.Context, t *trial, questions []question) error {
	c := t.reader()
	for _, q := range questions {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Filters++
		r.asking = string(q.filter.Append(nil))
		f, d := t.chain.Rewrite(ctx, c, q.filter)
		if d.Action == policy.Accept {
			d = t.chain.Filter(ctx, c, f)
		}
		if d.Action == policy.Accept && q.count {
			d = t.chain.Count(ctx, c, f)
		}
		if d.Action != policy.Accept {
			r.Refused++
			continue
		}
		if err := r.look(ctx, t, c, f, q.count); err != nil {
			return err
		}
	}
	return nil
}

// look does what the relay does to answer the filter.
func (r *readOutcome) look(ctx context.Context, t *trial, c policy.Client, f *event.Filter, count bool) error {
	query := store.Query{DefaultLimit: t.cfg.Limits.DefaultLimit, MaxLimit: t.cfg.Limits.Limit}
	if count {
		unlimited := *f
		unlimited.HasLimit = false
		f, query = &unlimited, store.Query{}
	}
	visible := func(e *event.Event) bool {
		r.asking = fmt.Sprintf("kind %d %s", e.Kind, e.ID)
		if !t.chain.Deliver(c, e) {
			r.Hidden++
			return false
		}
		return true
	}
	query.Filters = []*event.Filter{f}
	if t.store == nil {
		left := query.LimitOf(f)
		for e := range newest(t.events) {
			if left == 0 {
				break
			}
			if f.Matches(e) && visible(e) {
				left--
				r.Shown++
			}
		}
		return ctx.Err()
	}
	query.Now, query.Bulk = t.clock().Unix(), true
	query.Visible = func(rec *store.Record) bool {
		e, err := rec.Event()
		return err == nil && visible(e)
	}
	scan := t.store.Scan(query)
	for {
		p, err := scan.Next(ctx, store.Page{Events: 256}, func(*store.Record) error { r.Shown++; return nil })
		if err != nil || p.Done {
			return err
		}
	}
}

// print writes the outcome for a person.
func (r *readOutcome) print(w io.Writer) {
	if r.Broken > 0 {
		fmt.Fprintf(w, "%d lines left out: neither filters nor messages\n", r.Broken)
	}
	fmt.Fprintf(w, "%d filters of %s", r.Filters, r.Source)
	if r.Events != "" {
		fmt.Fprintf(w, ", and what they find in %s", r.Events)
	}
	fmt.Fprint(w, "\n\n")
	for _, p := range r.Policies {
		if p.Filters == nil && p.Events == nil {
			fmt.Fprintf(w, "%-16s refuses and hides nothing\n", p.Name)
		}
		refuses, hides := "refuses filters", "hides events"
		if p.Mode == policy.Observe.String() {
			refuses, hides = "would refuse filters", "would hide events"
		}
		p.Filters.print(w, p.Name, refuses, r.Filters)
		p.Events.print(w, p.Name, hides, r.Shown+r.Hidden)
	}
	fmt.Fprintf(w, "\n%8d  %5.1f%%  filters answered\n", r.Filters-r.Refused, percent(r.Filters-r.Refused, r.Filters))
	if r.Refused > 0 {
		fmt.Fprintf(w, "%8d  %5.1f%%  filters refused\n", r.Refused, percent(r.Refused, r.Filters))
	}
	if r.Events != "" {
		fmt.Fprintf(w, "%8d  %5.1f%%  events shown\n", r.Shown, percent(r.Shown, r.Shown+r.Hidden))
	}
	if r.Hidden > 0 {
		fmt.Fprintf(w, "%8d  %5.1f%%  events hidden\n", r.Hidden, percent(r.Hidden, r.Shown+r.Hidden))
	}
}

func (v *readRefusal) print(w io.Writer, name, words string, of int) {
	if v == nil {
		return
	}
	fmt.Fprintf(w, "%-16s %-28s %8d  %5.1f%%\n", name, words, v.Times, percent(v.Times, of))
	for _, x := range v.Examples {
		fmt.Fprintln(w, strings.TrimRight("    "+x.What+"  "+x.Text, " "))
	}
}

// percent is the share of n, 0 of nothing.
func percent(n, of int) float64 { return 100 * float64(n) / float64(max(1, of)) }
