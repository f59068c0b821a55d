package corpus

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"moa/nips/event"
)

// maxLine is the longest event of a file, in bytes.
const maxLine = 4 << 20

// ReadFile reads at most most events (0: all) from a JSONL file, one event a
// line. A line that is not an event is an error; signatures are not checked.
func ReadFile(name string, most int) (*Corpus, error) {
	return fromFile(name, func(f *os.File) ([]*event.Event, error) { return read(f, most) })
}

// SampleFile reads n events spread evenly over a JSONL file, in its order, or
// all if there are fewer. It reads no more of the file than that, so that the
// file may be larger than memory. Lines after long ones are taken a little more
// often.
func SampleFile(name string, n int) (*Corpus, error) {
	return fromFile(name, func(f *os.File) ([]*event.Event, error) { return sample(f, int64(n)) })
}

func fromFile(name string, read func(*os.File) ([]*event.Event, error)) (*Corpus, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	defer f.Close()
	events, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("read corpus %s: %w", name, err)
	}
	c := &Corpus{Events: events, Config: Config{Events: len(events)}, lists: listsOf(events)}
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

// sample takes of each nth of the file the first line that begins there, or if
// that is taken already the next one.
func sample(f *os.File, n int64) (events []*event.Event, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	in, next := bufio.NewReaderSize(f, 4096), int64(0)
	for i := range n {
		from := max(next, info.Size()/n*i)
		if from > 0 { // The line that byte from-1 belongs to ends before the wanted one.
			in.Reset(io.NewSectionReader(f, from-1, 2*maxLine))
			skipped, err := skipLine(in)
			if err != nil {
				break // the last line began before
			}
			from += skipped - 1
		}
		line, err := in.ReadBytes('\n')
		if next = from + int64(len(line)); len(bytes.TrimSpace(line)) == 0 {
			if err != nil {
				break
			}
			continue
		}
		e, err := event.Parse(bytes.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", from, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// skipLine returns how long the line was; an error says that it did not end.
func skipLine(in *bufio.Reader) (n int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		n += int64(len(part))
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// Write writes the events as JSONL, until the first error.
func Write(w io.Writer, events iter.Seq[*event.Event]) error {
	out := bufio.NewWriterSize(w, 1<<20)
	for e := range events {
		if _, err := out.Write(e.Raw); err != nil {
			return err
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
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

// listsOf returns the newest follow list of each author.
func listsOf(events []*event.Event) map[event.PubKey]*event.Event {
	lists := map[event.PubKey]*event.Event{}
	for _, e := range events {
		if e.Kind != event.KindFollows {
			continue
		}
		if old := lists[e.PubKey]; old == nil || event.Newer(e.CreatedAt, e.ID, old.CreatedAt, old.ID) {
			lists[e.PubKey] = e
		}
	}
	return lists
}

// named returns whom a follow list names, each once.
func named(list *event.Event) (out []event.PubKey) {
	if list == nil {
		return nil
	}
	for _, t := range list.Tags {
		if pk, err := event.ParsePubKey(t.Value()); err == nil && t[0] == "p" {
			out = append(out, pk)
		}
	}
	slices.SortFunc(out, event.ComparePubKeys)
	return slices.Compact(out)
}
