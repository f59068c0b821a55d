package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"moa/nips/geohash"
	"moa/nips/internal/scan"
)

// ErrUnsupported marks a filter that asks for something this relay does not
// know. To ignore it would return events nobody asked for.
var ErrUnsupported = errors.New("unsupported")

// unknownField is the error of a filter field with that name.
type unknownField string

func (name unknownField) Error() string {
	const most = 32 // bytes of a name that are shown
	if len(name) > most {
		return fmt.Sprintf("unknown filter field %q…", string(name[:most]))
	}
	return fmt.Sprintf("unknown filter field %q", string(name))
}

func (unknownField) Is(target error) bool { return target == ErrUnsupported }

// ParseFilter reads one filter from untrusted JSON. An error's text is fit for
// the client; errors.Is(err, ErrUnsupported) tells an unknown field from a
// malformed one. The filter does not keep raw.
func ParseFilter(raw []byte) (*Filter, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not valid UTF-8")
	}
	p := filterParser{Scanner: scan.Scanner{Text: raw}, f: new(Filter)}
	if err := p.object(); err != nil {
		return nil, err
	}
	if !p.End() {
		return nil, errors.New("something follows the filter")
	}
	if p.f.Unindexed != "" {
		p.f.IDs = []ID{}
	}
	slices.SortFunc(p.f.Tags, func(a, b TagFilter) int { return int(a.Name) - int(b.Name) })
	return p.f, nil
}

type filterParser struct {
	scan.Scanner
	f    *Filter
	seen []string
}

func (p *filterParser) object() error {
	if !p.Take('{') {
		return errors.New("a filter is a JSON object")
	}
	for first := true; !p.Take('}'); first = false {
		if !first && !p.Take(',') {
			return scan.ErrSyntax
		}
		key, err := p.text()
		if err != nil {
			return err
		}
		if !p.Take(':') {
			return scan.ErrSyntax
		}
		if slices.Contains(p.seen, key) {
			return fmt.Errorf("filter field %q is given twice", key)
		}
		p.seen = append(p.seen, key)
		if err := p.field(key); err != nil {
			return err
		}
	}
	return nil
}

func (p *filterParser) field(key string) (err error) {
	f := p.f
	switch key {
	case "ids":
		f.IDs, err = list(p, p.id, CompareIDs)
	case "authors":
		f.Authors, err = list(p, p.pubKey, ComparePubKeys)
	case "kinds":
		f.Kinds, err = list(p, p.kind, func(a, b uint16) int { return int(a) - int(b) })
	case "since":
		f.Since, err = p.number()
	case "until":
		f.Until, err = p.number()
		f.HasUntil = true
	case "limit":
		var n int64
		n, err = p.number()
		f.Limit, f.HasLimit = int(n), true
	case "search":
		f.Search, err = p.text()
	default:
		return p.tag(key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// tag reads `#x`. The values of #e and #p are 64 lower-case hex characters.
func (p *filterParser) tag(key string) error {
	if name, ok := strings.CutPrefix(key, "#"); ok && word(name) {
		_, err := list(p, p.text, strings.Compare)
		p.f.Unindexed = name
		return err
	}
	if len(key) != 2 || key[0] != '#' || !letter(key[1]) {
		return unknownField(key)
	}
	value := p.text
	if key == "#e" || key == "#p" {
		value = p.hexText
	}
	values, err := list(p, value, strings.Compare)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	t := TagFilter{Name: key[1], Values: values}
	if prefix, ok := cellIn(t.Name); ok {
		t.Values, t.Regions = regions(values, prefix)
	}
	p.f.Tags = append(p.f.Tags, t)
	return nil
}

// regions takes those of the sorted values out that are a geohash with prefix
// before it and a * behind it, without them, and of those the ones that lie in
// another.
func regions(values []string, prefix string) (exact, regions []string) {
	exact = values[:0]
	for _, v := range values {
		region, ok := strings.CutSuffix(v, "*")
		region, ok2 := strings.CutPrefix(region, prefix)
		if !ok || !ok2 || !geohash.Valid(region) {
			exact = append(exact, v)
			continue
		}
		regions = append(regions, region)
	}
	slices.Sort(regions) // "u3*" sorts before "u*"
	kept := regions[:0]
	for _, r := range regions {
		if n := len(kept); n == 0 || !strings.HasPrefix(r, kept[n-1]) {
			kept = append(kept, r)
		}
	}
	return exact, slices.Clip(kept)
}

// word reports the name of a tag that has several characters: letters, and what
// stands among them in names like nip05, max_participants and i-tag.
func word(name string) bool {
	const most = 32
	if len(name) < 2 || len(name) > most || !letter(name[0]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !letter(c) && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// list reads an array of values, sorted and each once. An empty one is not nil.
func list[T comparable](p *filterParser, value func() (T, error), compare func(a, b T) int) ([]T, error) {
	if !p.Take('[') {
		return nil, errors.New("not an array")
	}
	out := []T{}
	for !p.Take(']') {
		if len(out) > 0 && !p.Take(',') {
			return nil, scan.ErrSyntax
		}
		v, err := value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.SortFunc(out, compare)
	return slices.Clone(slices.Compact(out)), nil // a clone: filters live long, repetitions need not
}

func (p *filterParser) text() (string, error) {
	s, err := p.String()
	if err != nil {
		return "", err
	}
	if s.Escaped {
		return string(scan.AppendUnquoted(nil, s)), nil
	}
	return string(s.Raw), nil
}

func (p *filterParser) hexText() (string, error) {
	s, err := p.text()
	if err != nil {
		return "", err
	}
	var id ID
	if !decodeHex(id[:], s) {
		return "", errNotHex
	}
	return s, nil
}

var errNotHex = errors.New("not 64 lower-case hex characters")

func (p *filterParser) id() (id ID, err error) {
	err = p.hex(id[:])
	return id, err
}

func (p *filterParser) pubKey() (pk PubKey, err error) {
	err = p.hex(pk[:])
	return pk, err
}

func (p *filterParser) hex(dst []byte) error {
	s, err := p.String()
	if err != nil {
		return err
	}
	if s.Escaped {
		s.Raw = scan.AppendUnquoted(nil, s)
	}
	if !decodeHex(dst, s.Raw) {
		return errNotHex
	}
	return nil
}

// number reads a time or a limit. Languages that have one type of number write
// 1e3 or 10.0, and clients write 2^63-1 or 2^64-1 for "no
// bound": what is too large for any event's time is cut to the largest one.
func (p *filterParser) number() (int64, error) {
	n, err := p.Whole()
	if errors.Is(err, scan.ErrLarge) {
		return scan.MaxDigits, nil
	}
	if err != nil {
		return 0, errors.New("not a whole number from 0 up")
	}
	return n, nil
}

func (p *filterParser) kind() (uint16, error) {
	n, err := p.Whole()
	if err != nil || n > 65535 {
		return 0, errors.New("a kind is a whole number from 0 to 65535")
	}
	return uint16(n), nil
}
