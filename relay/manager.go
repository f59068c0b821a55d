package relay

import (
	"context"
	"net/http"

	"moa/nips/event"
	"moa/nips/nip11"
	"moa/nips/nip86"
)

// Manager makes calls. What it returns as an *nip86.Error is for the caller.
type Manager interface {
	// Known reports whether somebody may call anything.
	Known(event.PubKey) bool
	// CallSigned makes a call that e signs, whose author is known.
	CallSigned(ctx context.Context, e *event.Event, c *nip86.Call) (result any, err error)
}

// AdminPage is the page for operators. It finds out itself whose request it is.
type AdminPage interface {
	// ServePage answers a request for /admin or below. here are the URLs of what is asked
	// for by which it may be signed (NIP-98).
	ServePage(w http.ResponseWriter, r *http.Request, here []string)
}

// extensions are what calls may say besides the NIP, told in the information document.
var extensions = map[string]any{"extensions": []string{nip86.OptionErase, nip86.OptionLimit, nip86.OptionAfter, nip86.ResetSetting}}

// Overrides are settings that operators have changed while the relay runs. They stand
// over those of the configuration. nil: it was not changed.
type Overrides struct {
	Name, Description, Icon *string
}

// apply changes what the relay says about itself.
func (o *Overrides) apply(to *nip11.Document) {
	for field, changed := range map[*string]*string{&to.Name: o.Name, &to.Description: o.Description, &to.Icon: o.Icon} {
		if changed != nil {
			*field = *changed
		}
	}
}
