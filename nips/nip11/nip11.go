// Package nip11 is the relay information document, and the question whether an
// HTTP request asks for it. Fields that are empty are left out, for any may be.
package nip11

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"strings"
)

// ContentType is what a client accepts that asks for the document.
const ContentType = "application/nostr+json"

// Document describes a relay.
type Document struct {
	Name        string `json:"name,omitempty"` // should be below 30 characters
	Description string `json:"description,omitempty"`
	Banner      string `json:"banner,omitempty"` // URL of an image
	Icon        string `json:"icon,omitempty"`   // URL of an image
	PubKey      string `json:"pubkey,omitempty"` // of the operator, 64 lower-case hex characters
	Self        string `json:"self,omitempty"`   // of the relay, likewise
	Contact     string `json:"contact,omitempty"`
	NIPs        []int  `json:"supported_nips,omitempty"`
	Software    string `json:"software,omitempty"` // a URL
	Version     string `json:"version,omitempty"`
	Terms       string `json:"terms_of_service,omitempty"` // a URL

	Limitation  *Limitation `json:"limitation,omitempty"`
	PaymentsURL string      `json:"payments_url,omitempty"`
	Fees        *Fees       `json:"fees,omitempty"`

	// No longer in the text, which has clients ignore what they do not know.
	Countries     []string `json:"relay_countries,omitempty"` // ISO 3166-1 alpha-2
	Languages     []string `json:"language_tags,omitempty"`   // IETF language tags
	Tags          []string `json:"tags,omitempty"`
	PostingPolicy string   `json:"posting_policy,omitempty"` // a URL

	// Extra holds fields of this relay's own. The fields above win.
	Extra map[string]any `json:"-"`
}

// Limitation is what the relay enforces. A number of 0 is left out.
type Limitation struct {
	MaxMessageLength    int   `json:"max_message_length,omitempty"` // bytes, from [ to ]
	MaxSubscriptions    int   `json:"max_subscriptions,omitempty"`  // of one connection
	MaxLimit            int   `json:"max_limit,omitempty"`
	MaxSubIDLength      int   `json:"max_subid_length,omitempty"` // characters
	MaxEventTags        int   `json:"max_event_tags,omitempty"`
	MaxContentLength    int   `json:"max_content_length,omitempty"` // characters
	MinPoWDifficulty    int   `json:"min_pow_difficulty,omitempty"` // bits
	AuthRequired        bool  `json:"auth_required"`                // before anything else
	PaymentRequired     bool  `json:"payment_required"`             // before anything else
	RestrictedWrites    bool  `json:"restricted_writes"`
	CreatedAtLowerLimit int64 `json:"created_at_lower_limit,omitempty"` // seconds into the past
	CreatedAtUpperLimit int64 `json:"created_at_upper_limit,omitempty"` // seconds into the future
	DefaultLimit        int   `json:"default_limit,omitempty"`
}

// Fees is what has to be paid.
type Fees struct {
	Admission    []Fee `json:"admission,omitempty"`
	Subscription []Fee `json:"subscription,omitempty"`
	Publication  []Fee `json:"publication,omitempty"`
}

// Fee is one price.
type Fee struct {
	Kinds  []uint16 `json:"kinds,omitempty"` // of a publication
	Amount int64    `json:"amount"`
	Unit   string   `json:"unit"`             // "msats", say
	Period int64    `json:"period,omitempty"` // of a subscription, seconds
}

// Marshal returns the document as JSON.
func (d *Document) Marshal() ([]byte, error) {
	own, err := encode(d)
	if err != nil || len(d.Extra) == 0 {
		return own, err
	}
	var taken map[string]json.RawMessage
	if err := json.Unmarshal(own, &taken); err != nil {
		return nil, err
	}
	extra := make(map[string]any, len(d.Extra))
	for name, value := range d.Extra {
		if _, ok := taken[name]; !ok {
			extra[name] = value
		}
	}
	more, err := encode(extra)
	if err != nil {
		return nil, err
	}
	switch {
	case len(extra) == 0:
		return own, nil
	case len(taken) == 0:
		return more, nil
	}
	own[len(own)-1] = ','
	return append(own, more[1:]...), nil
}

// encode writes <, > and & as they are, for people who look at it.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("nip11: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// Wanted reports whether Accept headers ask for the document: they name its
// type, whatever else, and not with a q of 0.
func Wanted(accept []string) bool {
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err == nil && kind == ContentType && weight(params["q"]) > 0 {
				return true
			}
		}
	}
	return false
}

// weight reads a q value; none, or one that is no number, is 1.
func weight(q string) float64 {
	w, err := strconv.ParseFloat(q, 64)
	if err != nil {
		return 1
	}
	return w
}
