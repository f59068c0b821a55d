package event_test

import (
	"testing"

	"moa/nips/event"
)

func TestCovers(t *testing.T) {
	filter := func(raw string) *event.Filter {
		f, err := event.ParseFilter([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		f, g string
		want bool
	}{
		{`{}`, `{"since":5}`, true},
		{`{"since":5}`, `{}`, false},
		{`{"since":4}`, `{"since":5}`, true},
		{`{"until":4}`, `{"since":1}`, false},
		{`{"until":4}`, `{"until":3}`, true},
		{`{"kinds":[1,2]}`, `{"kinds":[2],"#t":["a"]}`, true},
		{`{"kinds":[1,2]}`, `{"kinds":[3]}`, false},
		{`{"kinds":[1]}`, `{}`, false},
		{`{}`, `{"kinds":[1]}`, true},
		{`{"#t":["a","b"]}`, `{"#t":["a"]}`, true},
		{`{"#t":["a"]}`, `{"#t":["a","b"]}`, false},
		{`{"#t":["a"]}`, `{"#p":["` + `0000000000000000000000000000000000000000000000000000000000000001` + `"]}`, false},
		{`{"#g":["u*"]}`, `{"#g":["u33*","u4"]}`, true},
		{`{"#g":["u33*"]}`, `{"#g":["u*"]}`, false},
		{`{"#g":["u*"]}`, `{"#t":["u4"]}`, false},
		{`{"limit":1}`, `{"limit":5}`, true},
	} {
		if got := filter(c.f).Covers(filter(c.g)); got != c.want {
			t.Errorf("%s covers %s: %v", c.f, c.g, got)
		}
	}
}
