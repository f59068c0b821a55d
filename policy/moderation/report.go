// Package moderation is what lies on an operator's desk: what trusted people have
// reported (NIP-56), in the order in which it is urgent. Reports are events of the
// store, from which the desk is laid out anew at any time; what is decided closes them.
// It knows no policy's config.
package moderation

import (
	"slices"
	"time"

	"moa/nips/event"
)

// report is what one person said about another, or about an event of theirs.
type report struct {
	by     event.PubKey
	at     int64 // Unix seconds
	author event.PubKey
	event  event.ID // zero: the author as such
	what   string   // one of NIP-56's words, or "other"
}

// whats are the words of NIP-56 for what is wrong.
var whats = []string{"nudity", "malware", "profanity", "illegal", "spam", "impersonation", "other"}

// readReport reads a kind 1984; false: it names nobody. One that names several
// events counts for the first.
func readReport(e *event.Event) (r report, ok bool) {
	r = report{by: e.PubKey, at: e.CreatedAt, what: "other"}
	for _, t := range e.Tags {
		switch t[0] {
		case "p":
			if pk, err := event.ParsePubKey(t.Value()); err == nil && !ok {
				r.author, ok = pk, true
			}
		case "e":
			if id, err := event.ParseID(t.Value()); err == nil && r.event == (event.ID{}) {
				r.event = id
			}
		case "x": // the hash of a file; the author is in a p tag
		default:
			continue
		}
		if len(t) > 2 && slices.Contains(whats, t[2]) {
			r.what = t[2]
		}
	}
	return r, ok
}

// What is what a kind 1984 says that is wrong, one of NIP-56's words or "other".
func What(e *event.Event) string {
	r, _ := readReport(e)
	return r.what
}

// mostReports bounds the reports about one author that are remembered, the newest.
const mostReports = 64

// Case is what was reported about one author.
type Case struct {
	Author  event.PubKey   `json:"author"`
	People  int            `json:"people"`           // that have reported the author
	What    map[string]int `json:"what"`             // reports by NIP-56's words
	Events  []event.ID     `json:"events"`           // reported, each once
	First   time.Time      `json:"first"`            // the oldest of the reports
	Last    time.Time      `json:"last"`             // the newest
	Refused *time.Time     `json:"refused,omitzero"` // until when the author is refused for them
}

// summary tells what there is against the author; there is at least one report.
func summary(author event.PubKey, reports []report) Case {
	c := Case{Author: author, People: len(reporters(reports)), What: map[string]int{}, Events: []event.ID{}}
	first, last := reports[0].at, reports[0].at
	for _, r := range reports {
		c.What[r.what]++
		if r.event != (event.ID{}) && !slices.Contains(c.Events, r.event) {
			c.Events = append(c.Events, r.event)
		}
		first, last = min(first, r.at), max(last, r.at)
	}
	c.First, c.Last = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
	return c
}

// reporters are when each person reported last, the newest first.
func reporters(reports []report) []int64 {
	last := map[event.PubKey]int64{}
	for _, r := range reports {
		last[r.by] = max(last[r.by], r.at)
	}
	times := make([]int64, 0, len(last))
	for _, at := range last {
		times = append(times, at)
	}
	slices.SortFunc(times, func(a, b int64) int { return int(b - a) })
	return times
}
