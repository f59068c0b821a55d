package state

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"moa/nips/event"
)

// RecordDoor is the door of changes that TakeOver has made.
const RecordDoor = "moderation.jsonl"

// recorded is a line of the file in which moa kept an operator's decisions before there
// was a database. It is about an author or about an event.
type recorded struct {
	At     int64         `json:"at"`
	Do     string        `json:"do"`
	Author *event.PubKey `json:"author"`
	Event  *event.ID     `json:"event"`
	Until  int64         `json:"until"`
	Hidden bool          `json:"hidden"`
	Purge  bool          `json:"purge"`
	Note   string        `json:"note"`
}

// subject is what the line is about, "" if it makes no sense.
func (r *recorded) subject() string {
	switch {
	case (r.Author == nil) == (r.Event == nil) || len(r.Note) > maxWhy:
		return ""
	case r.Author != nil && (r.Do == "ban" || r.Do == "dismiss" || r.Do == "undo"):
		return r.Author.String()
	case r.Event != nil && (r.Do == "hide" || r.Do == "delete" || r.Do == "undo"):
		return r.Event.String()
	}
	return ""
}

// TakeOver takes over a record of decisions, each with the time at which it was made, in
// one transaction. What is known already about an author or event stands, so that twice
// does no harm. It returns how many lines were taken, and how many are broken.
func (s *Store) TakeOver(ctx context.Context, record io.Reader) (taken, broken int, err error) {
	list, broken, err := readRecord(record)
	if err != nil {
		return 0, 0, err
	}
	last := map[string]int{} // the line that is in force, by subject
	for i := range list {
		last[list[i].subject()] = i
	}
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT subject FROM change")
	_, err = collect(rows, err, func(scan func(...any) error) (subject string, err error) {
		err = scan(&subject)
		delete(last, subject)
		return subject, err
	})
	if err != nil {
		return 0, 0, err
	}
	var all []entry
	for i := range list {
		if n, ok := last[list[i].subject()]; ok {
			all = append(all, s.recorded(ctx, &list[i], n == i)...)
			taken++
		}
	}
	if len(all) == 0 {
		return 0, broken, nil
	}
	if err := s.make(ctx, all...); err != nil {
		return 0, 0, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	return taken, broken, s.load(ctx)
}

// recorded are the changes of a line. What it removes is a job only if the line is in
// force: others may have come again since.
func (s *Store) recorded(ctx context.Context, r *recorded, inForce bool) []entry {
	by := Actor{Door: RecordDoor}
	var all []entry
	switch r.Do {
	case "ban":
		ban := Ban{Until: r.Until, Hidden: r.Hidden, Erase: r.Purge, Why: r.Note}
		inForce = inForce && ban.Holds(s.now().Unix())
		all = append(all, s.banAuthor(ctx, by, *r.Author, ban, 0))
	case "dismiss":
		all = append(all, s.closeReports(ctx, by, *r.Author, r.At, r.Note))
	case "hide":
		all = append(all, s.rule(ctx, by, *r.Event, Hide, r.Note, nil))
	case "delete":
		all = append(all, s.rule(ctx, by, *r.Event, Remove, r.Note, []string{EraseEvent}))
	case "undo":
		if r.Event != nil {
			all = append(all, s.unrule(ctx, by, *r.Event, r.Note))
		} else {
			all = append(all, s.unbanAuthor(ctx, by, *r.Author, r.Note), s.openReports(ctx, by, *r.Author, r.Note))
		}
	}
	for i := range all {
		all[i].at = r.At
		all[i].remember = func(int64) {} // memory is read when all is there
		if !inForce {
			all[i].jobs = nil
		}
	}
	return all
}

func readRecord(record io.Reader) (list []recorded, broken int, err error) {
	lines := bufio.NewScanner(record)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.subject() == "" {
			broken++ // a crash may have cut one off
			continue
		}
		list = append(list, r)
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read decisions: %w", err)
	}
	return list, broken, nil
}
