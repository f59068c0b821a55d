package places

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
)

// reader is a Reader that finds the same event again and again, or refuses.
type reader struct {
	raw     []byte
	times   int
	why     error
	panics  bool
	entered int
	made    int
	left    int
}

func (x *reader) enter(*http.Request, int) (Reader, error) {
	x.entered++
	return x, nil
}

func (x *reader) Read(_ context.Context, _ []*event.Filter, _ func(*event.Event) bool, found func(*store.Record) error) (bool, error) {
	if x.panics {
		panic("a policy has a fault")
	}
	for range x.times {
		if err := found(&store.Record{Raw: x.raw}); err == ErrEnough {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, x.why
}

func (x *reader) Made(bytes int) { x.made = bytes }
func (x *reader) Leave()         { x.left++ }

func (x *reader) get(url string) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	h := &Handler{Now: time.Now, Enter: x.enter}
	defer func() {
		if recover() != nil {
			w.Code = 0
		}
	}()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w
}

func TestAnAnswerHasItsBounds(t *testing.T) {
	large := []byte(`{"content":"` + strings.Repeat("x", 1<<20) + `"}`)
	for _, c := range []struct {
		name   string
		reader reader
		events int
		whole  bool
	}{
		{"nothing", reader{}, 0, true},
		{"as many as the limit", reader{raw: []byte(`{"content":""}`), times: 7}, 7, true},
		{"one more", reader{raw: []byte(`{"content":""}`), times: 8}, 7, false},
		{"bytes", reader{raw: large, times: 7}, 3, false},
	} {
		w := c.reader.get(EventsPath + "?bbox=1,2,3,4&limit=7")
		body := w.Body.String()
		if n := strings.Count(body, "content"); w.Code != http.StatusOK || n != c.events || strings.HasSuffix(body, `"whole":true}`) != c.whole {
			t.Errorf("%s: %d, %d events, %.20q…%s", c.name, w.Code, n, body, body[max(0, len(body)-20):])
		}
		if c.reader.made != len(body) || c.reader.left != 1 {
			t.Errorf("%s: %d of %d bytes are held, it left %d times", c.name, c.reader.made, len(body), c.reader.left)
		}
	}
}

func TestEachReaderThatEntersLeaves(t *testing.T) {
	for _, c := range []struct {
		name   string
		url    string
		reader reader
		status int
		enters int
	}{
		{"a fault in the question", EventsPath + "?bbox=1", reader{}, http.StatusBadRequest, 0},
		{"a refusal", EventsPath + "?bbox=1,2,3,4", reader{why: &Refusal{Status: http.StatusForbidden, Text: "no"}}, http.StatusForbidden, 1},
		{"another error", CellsPath, reader{why: context.Canceled}, http.StatusServiceUnavailable, 1},
		{"a panic", CellsPath, reader{panics: true}, 0, 1},
	} {
		w := c.reader.get(c.url)
		if w.Code != c.status || c.reader.entered != c.enters || c.reader.left != c.enters {
			t.Errorf("%s: %d %s, it entered %d times and left %d times", c.name, w.Code, w.Body, c.reader.entered, c.reader.left)
		}
	}
}
