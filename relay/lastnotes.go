package relay

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/places"
	"moa/relay/web"
	"moa/store"
)

const (
	noteShown = 500      // bytes of a note's text
	nameShown = 60       // bytes of an author's name
	notesHeld = 64 << 10 // bytes of a page while it is made
)

// lastNotes are the newest notes that anybody may read, for the page at "/": of
// those that answer no other, and carry no warning (NIP-36). It asks as every client does
// that has not authenticated; where that is refused, or very many ask, the page has none.
func (s *Server) lastNotes(r *http.Request, st *settings, path string) (list []web.Note) {
	n := st.cfg.Info.LastNotes
	if n == 0 || r.Method == http.MethodHead {
		return nil
	}
	reader, err := s.enterAt(r, path, notesHeld)
	if err != nil {
		return nil
	}
	defer reader.Leave()
	notes, err := recordsOf(r, reader, &event.Filter{Kinds: []uint16{event.KindNote}, Limit: n, HasLimit: true}, begins)
	if err != nil {
		return nil // Read logs what is not the client's to mend
	}
	names, err := namesOf(r, reader, notes)
	if err != nil {
		return nil
	}
	url := st.urlOf(r) + path
	for _, e := range notes {
		list = append(list, noteOf(e, names[e.PubKey], url))
	}
	return list
}

// recordsOf reads what a visitor sees of a filter, and inside is true of.
func recordsOf(r *http.Request, reader places.Reader, f *event.Filter, inside func(*event.Event) bool) (list []*event.Event, err error) {
	_, err = reader.Read(r.Context(), []*event.Filter{f}, inside, func(found *store.Record) error {
		e, err := found.Event()
		list = append(list, e)
		return err
	})
	return list, err
}

// namesOf are what the authors of notes call themselves (kind 0), where that is known.
func namesOf(r *http.Request, reader places.Reader, notes []*event.Event) (map[event.PubKey]string, error) {
	f := &event.Filter{Kinds: []uint16{event.KindMetadata}}
	for _, e := range notes {
		if !slices.Contains(f.Authors, e.PubKey) {
			f.Authors = append(f.Authors, e.PubKey)
		}
	}
	if len(f.Authors) == 0 {
		return nil, nil
	}
	f.Limit, f.HasLimit = len(f.Authors), true
	profiles, err := recordsOf(r, reader, f, func(*event.Event) bool { return true })
	names := make(map[event.PubKey]string)
	for _, e := range profiles {
		var profile struct {
			Name string `json:"name"`
		}
		if json.Unmarshal([]byte(e.Content), &profile) == nil { // it is the author's to write what they like
			names[e.PubKey] = nameOf(profile.Name)
		}
	}
	return names, err
}

// nameOf is a name on one line, without what makes it look like another.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, s)
	return shortened(strings.Join(strings.Fields(s), " "), nameShown)
}

// begins reports a note that is of use by itself.
func begins(e *event.Event) bool {
	for _, t := range e.Tags {
		if len(t) > 0 && (t[0] == "e" || t[0] == "content-warning") {
			return false
		}
	}
	return strings.TrimSpace(e.Content) != ""
}

func noteOf(e *event.Event, name, url string) web.Note {
	npub := nip19.Npub(e.PubKey)
	return web.Note{
		Name:   name,
		Author: npub[:12] + "…" + npub[len(npub)-4:],
		At:     time.Unix(e.CreatedAt, 0).UTC(),
		Text:   shortened(strings.TrimSpace(e.Content), noteShown),
		Entity: nip19.Nevent(e.ID, url),
	}
}

// shortened is a text of at most so many bytes, and a mark if that is not all.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
