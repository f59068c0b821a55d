package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
)

// Duration reads `90s`, `1h30m`, and days: `2d`, `1d12h`.
type Duration time.Duration

func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	var days time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		count, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return noDuration(s)
		}
		days, s = time.Duration(count)*24*time.Hour, rest
	}
	if s != "" || days == 0 {
		part, err := time.ParseDuration(s)
		if err != nil || part < 0 {
			return noDuration(string(text))
		}
		days += part
	}
	*d = Duration(days)
	return nil
}

func noDuration(text string) error {
	return Fault{Wrong: fmt.Sprintf("%q is not a duration", text), Want: `"90s", "1h30m" or "2d"`}
}

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes what UnmarshalText reads, without empty units.
func (d Duration) String() string {
	t := time.Duration(d)
	if t == 0 {
		return "0s"
	}
	var days string
	if n := t / (24 * time.Hour); n > 0 {
		days, t = fmt.Sprintf("%dd", n), t%(24*time.Hour)
	}
	if t == 0 {
		return days
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return days + s
}

// Seconds returns the duration in whole seconds.
func (d Duration) Seconds() int64 { return int64(time.Duration(d) / time.Second) }

// Kinds is a set of kinds: `1`, `"0-19, 30000-39999"`, or a list of both. The
// zero Kinds is empty.
type Kinds []kindRange

type kindRange struct{ from, to uint16 }

// MustKinds reads the string form of Kinds and panics if it is none.
func MustKinds(s string) Kinds {
	var k Kinds
	if err := k.DecodeValue(s); err != nil {
		panic(err)
	}
	return k
}

// Has reports whether the kind is in the set.
func (k Kinds) Has(kind uint16) bool {
	for _, r := range k {
		if r.from <= kind && kind <= r.to {
			return true
		}
	}
	return false
}

// List returns every kind of the set, not sorted; nil only if there is none.
func (k Kinds) List() []uint16 {
	var all []uint16
	for _, r := range k {
		for kind := int(r.from); kind <= int(r.to); kind++ {
			all = append(all, uint16(kind))
		}
	}
	return all
}

func (k *Kinds) DecodeValue(v any) error {
	*k = Kinds{}
	return k.add(v)
}

func (k *Kinds) add(v any) error {
	switch v := v.(type) {
	case int64:
		return k.addRange(strconv.FormatInt(v, 10))
	case string:
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			if err := k.addRange(part); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for _, item := range v {
			if err := k.add(item); err != nil {
				return err
			}
		}
		return nil
	}
	return Fault{Want: `kinds like "0-19, 30000-39999"`, Got: describe(v)}
}

func (k *Kinds) addRange(s string) error {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	from, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	to, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if errors.Join(err, err2) != nil || from > to {
		return fmt.Errorf("%q is not a kind from 0 to 65535 nor a range of them", s)
	}
	*k = append(*k, kindRange{uint16(from), uint16(to)})
	return nil
}

func (k Kinds) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k Kinds) String() string {
	var parts []string
	for _, r := range k {
		if r.from == r.to {
			parts = append(parts, strconv.Itoa(int(r.from)))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.from, r.to))
		}
	}
	return strings.Join(parts, ", ")
}

// PubKey reads a public key as 64 hex characters or as npub (NIP-19).
type PubKey event.PubKey

func (p *PubKey) UnmarshalText(text []byte) error {
	pk, err := ParsePubKey(string(text))
	*p = PubKey(pk)
	return err
}

func (p PubKey) MarshalText() ([]byte, error) { return []byte(event.PubKey(p).String()), nil }

// ParsePubKey reads 64 hex characters or an npub. A secret key is not repeated
// in the error.
func ParsePubKey(s string) (event.PubKey, error) {
	pk, err := nip19.ParsePubKey(s)
	if err != nil && !errors.Is(err, nip19.ErrSecret) {
		err = fmt.Errorf("%.80q is %w", s, err)
	}
	return pk, err
}

// PubKeys strips the type.
func PubKeys(list []PubKey) []event.PubKey {
	out := make([]event.PubKey, len(list))
	for i, p := range list {
		out[i] = event.PubKey(p)
	}
	return out
}

// Regexp is a Go (RE2) regular expression, which runs in linear time.
type Regexp struct{ *regexp.Regexp }

func (r *Regexp) UnmarshalText(text []byte) (err error) {
	r.Regexp, err = regexp.Compile(string(text))
	return err
}

func (r Regexp) MarshalText() ([]byte, error) {
	if r.Regexp == nil {
		return nil, nil
	}
	return []byte(r.String()), nil
}

// Address reads `kind:pubkey:d` (NIP-01). The public key may be an npub.
type Address struct{ event.Address }

func (a *Address) UnmarshalText(text []byte) (err error) {
	address := string(text)
	if parts := strings.SplitN(address, ":", 3); len(parts) == 3 {
		switch pk, err := nip19.ParsePubKey(parts[1]); {
		case err == nil:
			address = parts[0] + ":" + pk.String() + ":" + parts[2]
		case errors.Is(err, nip19.ErrSecret): // which is not repeated
			return err
		}
	}
	if a.Address, err = event.ParseAddress(address); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// parseTime reads a time.Duration.
func parseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, Fault{Wrong: fmt.Sprintf("%q is not a time", text), Want: `"500ms", "20s" or "1m30s"`}
	}
	return d, nil
}

// parsePrefix reads a network, or one address as the network that it is alone in.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, Fault{Wrong: fmt.Sprintf("%q is not a network", text), Want: `"10.0.0.0/8", "fd00::/8" or an address`}
	}
	return p.Masked(), nil
}
