package hub

import (
	"fmt"
	"testing"

	"moa/nips/event"
)

// However many filters ask for one of an event's many tags besides its author, its
// tags are walked once.
func TestManyTagsAreWalkedOnce(t *testing.T) {
	e := &event.Event{PubKey: person(1), Kind: 1}
	for i := range manyTags {
		e.Tags = append(e.Tags, event.Tag{"t", fmt.Sprint(i)}, event.Tag{"g", fmt.Sprintf("u33d%c", "0123456789bcdefghjkm"[i%20])})
	}
	rest := func(text string) *event.Filter {
		f, err := event.ParseFilter([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return compile(f).rest
	}
	author := fmt.Sprintf(`"authors":["%s"]`, person(1))
	x := tagged{Event: e}
	if !x.matches(rest(`{` + author + `,"#t":["0"]}`)) {
		t.Error("a tag is not found")
	}
	e.Tags = make([]event.Tag, len(e.Tags)) // what is asked from here on is known
	for text, want := range map[string]bool{
		`{` + author + `,"#t":["x","31"]}`: true, `{` + author + `,"#t":["32"]}`: false,
		`{` + author + `,"#g":["u33*"]}`: true, `{` + author + `,"#g":["u34*"]}`: false,
	} {
		if got := x.matches(rest(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
