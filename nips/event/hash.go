package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"moa/nips/internal/scan"
)

// ComputeID returns the hash that e's id must be (NIP-01).
func ComputeID(e *Event) ID {
	return sha256.Sum256(e.appendHashed(nil, scan.AppendHashed))
}

// idHolds reports whether the id is the hash of what was read.
//
// NIP-01 wants control characters without a short escape to be hashed verbatim.
// Libraries hash what their JSON encoder writes, \u00XX, and so do the relays
// that these libraries are used with: such an id is taken as well.
func (p *parser) idHolds() bool {
	if p.hash() == p.e.ID {
		return true
	}
	if p.tagsHashed && p.contentText.Canonical {
		return false // there is no such character
	}
	p.buf = p.e.appendHashed(p.buf[:0], scan.AppendQuoted)
	return sha256.Sum256(p.buf) == p.e.ID
}

// hash is ComputeID for a text at hand: tags and content that stand in it as
// they are hashed are taken from there.
func (p *parser) hash() ID {
	b := p.e.appendHashedHead(p.buf[:0])
	if p.tagsHashed {
		b = append(b, p.tagsText...)
	} else {
		b = p.e.appendTags(b, scan.AppendHashed)
	}
	b = append(b, ',')
	if p.contentText.Canonical {
		b = append(b, '"')
		b = append(b, p.contentText.Raw...)
		b = append(b, '"')
	} else {
		b = scan.AppendHashed(b, p.e.Content)
	}
	b = append(b, ']')
	p.buf = b
	return sha256.Sum256(b)
}

func (e *Event) appendHashed(b []byte, quote func([]byte, string) []byte) []byte {
	b = e.appendTags(e.appendHashedHead(b), quote)
	b = quote(append(b, ','), e.Content)
	return append(b, ']')
}

// appendHashedHead appends `[0,"<pubkey>",<created_at>,<kind>,`.
func (e *Event) appendHashedHead(b []byte) []byte {
	b = append(b, `[0,"`...)
	b = hex.AppendEncode(b, e.PubKey[:])
	b = append(b, `",`...)
	b = strconv.AppendInt(b, e.CreatedAt, 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(e.Kind), 10)
	return append(b, ',')
}
