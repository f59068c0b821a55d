package nip11_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"moa/nips/nip11"
)

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"*/*"}, false},
		{[]string{"text/html,application/xhtml+xml;q=0.9"}, false},
		{[]string{"application/json"}, false},
		{[]string{"application/nostr+json"}, true},
		{[]string{"Application/Nostr+JSON"}, true},
		{[]string{"application/nostr+json, */*;q=0.1"}, true}, // clients 8
		{[]string{"text/html , application/nostr+json;q=0.5"}, true},
		{[]string{"text/html", "application/nostr+json"}, true},
		{[]string{"application/nostr+json;q=0"}, false},
		{[]string{"application/nostr+json;q=0.0, */*"}, false},
		{[]string{"application/nostr+json; charset=utf-8"}, true},
		{[]string{"application/nostr+json+rpc"}, false},
		{[]string{";,;=,application/nostr+json"}, true},
	} {
		if got := nip11.Wanted(c.accept); got != c.want {
			t.Errorf("NIP11.1 %q: %v", c.accept, got)
		}
	}
}

func fields(t *testing.T, d nip11.Document) map[string]any {
	t.Helper()
	text, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

func names(m map[string]any) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// fill sets every field to something that is not left out.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString(`a "quoted" text`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint16:
		v.SetUint(7)
	}
}

func TestFieldNames(t *testing.T) {
	var d nip11.Document
	fill(reflect.ValueOf(&d).Elem())
	m := fields(t, d)
	check := func(what string, got any, want ...string) {
		t.Helper()
		slices.Sort(want)
		if n := names(got.(map[string]any)); !slices.Equal(n, want) {
			t.Errorf("%s: %q", what, n)
		}
	}
	check("NIP11.3, 5, 7", m, "name", "description", "banner", "icon", "pubkey", "self", "contact", "supported_nips",
		"software", "version", "terms_of_service", "limitation", "payments_url", "fees",
		"relay_countries", "language_tags", "tags", "posting_policy")
	check("NIP11.4", m["limitation"], "max_message_length", "max_subscriptions", "max_limit", "max_subid_length",
		"max_event_tags", "max_content_length", "min_pow_difficulty", "auth_required", "payment_required",
		"restricted_writes", "created_at_lower_limit", "created_at_upper_limit", "default_limit")
	check("NIP11.5", m["fees"], "admission", "subscription", "publication")
	if m["name"] != `a "quoted" text` {
		t.Errorf("NIP11.9: %q", m["name"])
	}
}

func TestWhatIsEmptyIsLeftOut(t *testing.T) {
	if m := fields(t, nip11.Document{}); len(m) != 0 {
		t.Errorf("NIP11.8: %v", m)
	}
}

func TestExtraFields(t *testing.T) {
	d := nip11.Document{Name: "moa", Extra: map[string]any{"name": "other", "area": []string{"u33"}}}
	if m := fields(t, d); m["name"] != "moa" || !reflect.DeepEqual(m["area"], []any{"u33"}) {
		t.Errorf("%v", m)
	}
	d = nip11.Document{Extra: map[string]any{"area": "u33"}}
	if m := fields(t, d); m["area"] != "u33" {
		t.Errorf("%v", m)
	}
}
