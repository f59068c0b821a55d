package bench

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
	"unicode/utf8"

	"moa/nips/event"
)

// know adds events to those that may be published and returns the number of the
// first. What the relay's NIP-11 document rules out is never sent.
func (s *Session) know(events []*event.Event) (first int) {
	first = s.truth.add(events)
	if s.IgnoreLimits {
		return first
	}
	beyond, example := 0, ""
	for i, e := range s.truth.events[first:] {
		if why := s.beyond(e); why != "" {
			s.truth.fates[first+i] = refused
			beyond, example = beyond+1, why
		}
	}
	if s.ruledOut = ""; beyond == len(events) {
		s.ruledOut = example
	}
	if beyond > 0 {
		s.carry(Run{Notes: []string{fmt.Sprintf("%d of %d events are not sent: the relay's NIP-11 document rules them out (%s)", beyond, len(events), example)}})
	}
	return first
}

// beyond names the limit that an event is beyond, "" if there is none.
func (s *Session) beyond(e *event.Event) string {
	l := s.Info.Limits
	over := func(have, most int64) bool { return most > 0 && have > most }
	now := time.Now().Unix()
	switch {
	case over(int64(len(e.Raw)+len(`["EVENT",]`)), int64(l.MessageLength)):
		return "max_message_length"
	case over(int64(len(e.Tags)), int64(l.EventTags)):
		return "max_event_tags"
	case over(int64(utf8.RuneCountInString(e.Content)), int64(l.ContentLength)):
		return "max_content_length"
	case work(e.ID) < l.MinPoW:
		return "min_pow_difficulty"
	case over(now-e.CreatedAt, l.LowerTime):
		return "created_at_lower_limit"
	case over(e.CreatedAt-now, l.UpperTime):
		return "created_at_upper_limit"
	}
	return ""
}

// work is how many leading bits of an id are zero (NIP-13).
func work(id event.ID) (n int) {
	for _, b := range id {
		n += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return n
}

// nothingToSend says why there is no event left to publish.
func (s *Session) nothingToSend() error {
	if s.ruledOut != "" {
		return fmt.Errorf("the relay's NIP-11 document rules out every event (%s); --ignore-limits sends them all the same", s.ruledOut)
	}
	return errNoEvents
}

// expectRefusals warns of a relay that does not take everybody's events.
func (s *Session) expectRefusals() {
	if closed := s.Info.Limits.Closed; len(closed) > 0 {
		s.carry(Run{Warnings: []string{"the relay says " + strings.Join(closed, ", ") + ": expect refusals"}})
	}
}
