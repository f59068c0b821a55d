package event

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"moa/nips/internal/scan"
)

// ErrID says that an event's id is not the hash of its content.
var ErrID = errors.New("id does not match the event")

// ErrFollowed says that the text holds an event, and more.
var ErrFollowed = errors.New("something follows the event")

// Parse reads one event from untrusted JSON. The id is checked against the
// bytes, the signature is not. The event keeps raw, which must not change any
// more. An error's text is fit for the client who sent the event.
//
// Fields that NIP-01 does not name are dropped; a field given twice, a missing
// one, or one of the wrong shape is an error.
func Parse(raw []byte) (*Event, error) { return parse(raw, true) }

// ParseTrusted reads an event that Parse has accepted before, from the relay's
// own store: it does not compute the id again.
func ParseTrusted(raw []byte) (*Event, error) { return parse(raw, false) }

func parse(raw []byte, checkID bool) (*Event, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not valid UTF-8")
	}
	w := works.Get().(*work)
	defer w.release()
	p := parser{Scanner: scan.Scanner{Text: raw}, work: w, e: new(Event), exact: true}
	if err := p.object(); err != nil {
		return nil, err
	}
	if !p.End() {
		return nil, ErrFollowed
	}
	if checkID && !p.idHolds() {
		return nil, ErrID
	}
	p.expiration()
	if !p.exact || p.Spaced {
		// Read once more, so that the event shares memory with its Raw only,
		// and does not hold on to a text that may be far longer.
		return ParseTrusted(p.e.Append(nil))
	}
	p.e.Raw = raw
	return p.e, nil
}

// work is memory that one Parse lends to the next.
type work struct {
	elems []string // the elements of all tags, one after the other
	ends  []int    // where each tag's elements end
	buf   []byte
}

var works = sync.Pool{New: func() any { return new(work) }}

// release gives w back, unless one huge event has made it large.
func (w *work) release() {
	const most = 64 << 10
	if cap(w.elems) > most/16 || cap(w.ends) > most/8 || cap(w.buf) > most {
		return
	}
	clear(w.elems)
	w.elems, w.ends, w.buf = w.elems[:0], w.ends[:0], w.buf[:0]
	works.Put(w)
}

type parser struct {
	scan.Scanner
	*work
	e     *Event
	exact bool // the seven keys, nothing else, no odd spelling of a key

	tagsText    []byte // as they stand in the text, if
	tagsHashed  bool   // that is how the id's hash wants them
	contentText scan.Str
}

type field uint8

const (
	fieldID field = 1 << iota
	fieldPubKey
	fieldCreatedAt
	fieldKind
	fieldTags
	fieldContent
	fieldSig
	allFields = 1<<7 - 1
)

var fieldNames = [...]string{"id", "pubkey", "created_at", "kind", "tags", "content", "sig"}

func fieldOf(name []byte) field {
	for i, n := range fieldNames {
		if string(name) == n {
			return 1 << i
		}
	}
	return 0
}

func (p *parser) object() error {
	if !p.Take('{') {
		return errors.New("an event is a JSON object")
	}
	var seen field
	for first := true; !p.Take('}'); first = false {
		if !first && !p.Take(',') {
			return scan.ErrSyntax
		}
		key, err := p.String()
		if err != nil {
			return err
		}
		if !p.Take(':') {
			return scan.ErrSyntax
		}
		name := key.Raw
		if key.Escaped {
			p.exact = false
			name = scan.AppendUnquoted(nil, key)
		}
		f := fieldOf(name)
		if f == 0 {
			p.exact = false
			if _, err := p.Skip(); err != nil {
				return err
			}
			continue
		}
		if seen&f != 0 {
			return fmt.Errorf("field %q is given twice", name)
		}
		seen |= f
		if err := p.field(f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, n := range fieldNames {
		if seen&(1<<i) == 0 {
			return fmt.Errorf("field %q is missing", n)
		}
	}
	return nil
}

func (p *parser) field(f field) (err error) {
	e := p.e
	switch f {
	case fieldID:
		return p.hex(e.ID[:])
	case fieldPubKey:
		return p.hex(e.PubKey[:])
	case fieldSig:
		return p.hex(e.Sig[:])
	case fieldCreatedAt:
		if e.CreatedAt, err = p.Digits(); err != nil {
			return errors.New("not a whole number of seconds")
		}
	case fieldKind:
		k, err := p.Digits()
		if err != nil || k > 65535 {
			return errors.New("not a whole number from 0 to 65535")
		}
		e.Kind = uint16(k)
	case fieldTags:
		return p.tags()
	case fieldContent:
		if p.contentText, err = p.String(); err != nil {
			return err
		}
		e.Content = p.str(p.contentText)
	}
	return nil
}

func (p *parser) hex(dst []byte) error {
	s, err := p.String()
	if err != nil {
		return err
	}
	if s.Escaped {
		p.exact = false
		s.Raw = scan.AppendUnquoted(nil, s)
	}
	if !decodeHex(dst, s.Raw) {
		return fmt.Errorf("not %d lower-case hex characters", 2*len(dst))
	}
	return nil
}

// str returns the value of s, sharing the text's memory where it can.
func (p *parser) str(s scan.Str) string {
	if !s.Escaped {
		return unsafe.String(unsafe.SliceData(s.Raw), len(s.Raw))
	}
	p.buf = scan.AppendUnquoted(p.buf[:0], s)
	return string(p.buf)
}

func (p *parser) tags() error {
	if !p.Take('[') {
		return errors.New("not an array")
	}
	spaced := p.Spaced
	p.Spaced = false
	start := p.Pos - 1
	p.tagsHashed = true
	for first := true; !p.Take(']'); first = false {
		if !first && !p.Take(',') {
			return scan.ErrSyntax
		}
		if err := p.tag(); err != nil {
			return err
		}
	}
	p.tagsText = p.Text[start:p.Pos]
	p.tagsHashed = p.tagsHashed && !p.Spaced
	p.Spaced = p.Spaced || spaced

	elems := make([]string, len(p.elems))
	copy(elems, p.elems)
	p.e.Tags = make([]Tag, len(p.ends))
	at := 0
	for i, end := range p.ends {
		p.e.Tags[i] = elems[at:end:end]
		at = end
	}
	return nil
}

func (p *parser) tag() error {
	if !p.Take('[') {
		return errors.New("a tag is not an array")
	}
	for first := true; !p.Take(']'); first = false {
		if !first && !p.Take(',') {
			return scan.ErrSyntax
		}
		if p.Peek() != '"' {
			return errors.New("a tag holds something that is not a string")
		}
		s, err := p.String()
		if err != nil {
			return err
		}
		p.tagsHashed = p.tagsHashed && s.Canonical
		p.elems = append(p.elems, p.str(s))
	}
	if n := len(p.ends); len(p.elems) == 0 || (n > 0 && p.ends[n-1] == len(p.elems)) {
		return errors.New("a tag is empty")
	}
	p.ends = append(p.ends, len(p.elems))
	return nil
}

// expiration reads the first expiration tag (NIP-40). An event whose tag is not a
// time does not expire: it is a valid event all the same. A time of 0 is as long
// past as a time of 1, and 0 means none here.
func (p *parser) expiration() {
	v, ok := p.e.Value("expiration")
	if !ok {
		return
	}
	v = strings.Trim(v, " \t\r\n")
	var t uint64
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return
		}
		t = min(t*10+uint64(v[i]-'0'), scan.MaxDigits)
	}
	if v != "" {
		p.e.Expiration = int64(max(t, 1))
	}
}
