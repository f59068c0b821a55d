// Package places is what a relay for places has besides: the answers to what is
// asked about them over HTTP, and what the relay tells of itself (relay/docs/geo.md).
// It reads through a Reader: who may see what is decided by the relay.
package places

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"moa/nips/event"
	"moa/store"
)

// MaxAnswer bounds the bytes of one answer, about.
const MaxAnswer = 4 << 20

// Reader reads for a client that comes over HTTP, asks once and goes.
type Reader interface {
	// Read finds what the filters match, the client may see and is inside, newest
	// first, and reports whether that is all there is. Each of the filters has the
	// same limit: the first so many of all are among theirs. It ends early, without an error, if found returns ErrEnough. An error may be a
	// *Refusal.
	Read(ctx context.Context, filters []*event.Filter, inside func(*event.Event) bool, found func(*store.Record) error) (whole bool, err error)
	// Made follows when the answer is ready: so many bytes of it are held until
	// Leave.
	Made(bytes int)
	Leave()
}

// ErrEnough ends a Read.
var ErrEnough = errors.New("places: the answer is large enough")

// Refusal says with a status why there is no answer.
type Refusal struct {
	Status int
	Text   string
	Again  bool // it may be different in a second
}

func (r *Refusal) Error() string { return r.Text }

// Handler answers GET and HEAD of EventsPath and CellsPath.
type Handler struct {
	Now func() time.Time
	// Enter lets the client of a request in, whose answer will have so many bytes at
	// most. An error is a *Refusal.
	Enter func(r *http.Request, bytes int) (Reader, error)
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := parse(r.URL.Path, r.URL.Query(), h.Now())
	if err != nil {
		Refuse(w, &Refusal{Status: http.StatusBadRequest, Text: err.Error()})
		return
	}
	reader, err := h.Enter(r, MaxAnswer)
	if err != nil {
		Refuse(w, err)
		return
	}
	defer reader.Leave()
	body, err := q.ask(r.Context(), reader)
	if err != nil {
		Refuse(w, err)
		return
	}
	reader.Made(len(body))
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) // of a HEAD request, net/http sends the head only
}

// ask makes the answer of what is read, up to the query's limit and MaxAnswer.
func (q *query) ask(ctx context.Context, reader Reader) ([]byte, error) {
	return q.answer(func(found func(*store.Record) error) (whole bool, err error) {
		events, bytes := 0, 0
		return reader.Read(ctx, q.filters(), q.inside, func(r *store.Record) error {
			events++
			if bytes += len(r.Raw); bytes > MaxAnswer || events > q.limit {
				return ErrEnough
			}
			return found(r)
		})
	})
}

// Refuse answers with a JSON object that says why.
func Refuse(w http.ResponseWriter, err error) {
	var why *Refusal
	if !errors.As(err, &why) {
		why = &Refusal{Status: http.StatusServiceUnavailable, Text: "the relay cannot answer at the moment, try again later"}
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if why.Again {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(why.Status)
	body, _ := json.Marshal(map[string]string{"error": why.Text}) // cannot fail: it is a string
	w.Write(body)
}
