package client

import (
	"reflect"
	"testing"
)

func TestDocumentsOfTheWildAreRead(t *testing.T) {
	for text, want := range map[string]Info{
		`{}`: {},
		`{"name":"a","software":"b","version":"1","supported_nips":[1,11],"limitation":{"max_limit":500,"max_subscriptions":20,"auth_required":true}}`: {
			Name: "a", Software: "b", Version: "1", NIPs: []int{1, 11}, Limits: Limits{Limit: 500, Subscriptions: 20, Closed: []string{"auth_required"}},
		},
		`{"name":7,"version":null,"supported_nips":["1","42",77.0,{}],"limitation":{"max_limit":"250","max_subscriptions":12.0,"max_message_length":-1,"auth_required":"no"}}`: {
			NIPs: []int{1, 42, 77}, Limits: Limits{Limit: 250, Subscriptions: 12},
		},
		`{"supported_nips":"all","limitation":[]}`: {},
	} {
		if got, err := parseInfo([]byte(text)); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "[]", "<html>"} {
		if _, err := parseInfo([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
