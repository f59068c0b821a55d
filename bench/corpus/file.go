package corpus

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"

	"moa/nips/event"
)

// maxLine is the longest event of a file, in bytes.
const maxLine = 4 << 20

// ReadFile reads at most most events (0: all) from a JSONL file, one event a
// line. A line that is not an event is an error; signatures are not checked.
func ReadFile(name string, most int) (*Corpus, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	defer f.Close()
	events, err := read(f, most)
	if err != nil {
		return nil, fmt.Errorf("read corpus %s: %w", name, err)
	}
	c := &Corpus{Events: events, Config: Config{Events: len(events)}}
	c.People = peopleOf(events)
	c.Config.Authors = len(c.People)
	return c, nil
}

func read(in io.Reader, most int) ([]*event.Event, error) {
	var events []*event.Event
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan() && (most == 0 || len(events) < most); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		e, err := event.Parse(slices.Clone(lines.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		events = append(events, e)
	}
	return events, lines.Err()
}

// Write writes the events as JSONL.
func (c *Corpus) Write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	for _, e := range c.Events {
		out.Write(e.Raw)
		out.WriteByte('\n')
	}
	return out.Flush()
}

// peopleOf returns the authors, the busiest first.
func peopleOf(events []*event.Event) []Person {
	wrote := map[event.PubKey]int{}
	for _, e := range events {
		if e.Kind != event.KindGiftWrap {
			wrote[e.PubKey]++
		}
	}
	people := make([]Person, 0, len(wrote))
	for pk := range wrote {
		people = append(people, Person{PubKey: pk})
	}
	slices.SortFunc(people, func(a, b Person) int {
		return cmp.Or(wrote[b.PubKey]-wrote[a.PubKey], event.ComparePubKeys(a.PubKey, b.PubKey))
	})
	return people
}

func followsInFile(c *Corpus, person int) []event.PubKey {
	var list *event.Event
	for _, e := range c.Events {
		if e.Kind == event.KindFollows && e.PubKey == c.People[person].PubKey && (list == nil || e.CreatedAt > list.CreatedAt) {
			list = e
		}
	}
	if list == nil {
		return nil
	}
	var out []event.PubKey
	for _, t := range list.Tags {
		if pk, err := event.ParsePubKey(t.Value()); err == nil && t[0] == "p" {
			out = append(out, pk)
		}
	}
	return out
}
